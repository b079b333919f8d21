import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { TrustedIssuer } from '../../service/jwt/issuers.ts';
import { jwtId } from '../../service/token/token.ts';
import { keptLog, OTHER_KEY } from '../support/ask-api.ts';
import { foreigner, from, newJwk, START, uri } from '../support/jwt/issuers.ts';
import { createSigned, signedGate, trusting } from '../support/jwt/signed.ts';
import { apiKey, KEY, mount } from '../support/postern.ts';
import { recorder } from '../support/receiver.ts';

test.each(['EdDSA', 'ES256', 'RS256'])('JWT, external: a token by %s is accepted', async (alg) => {
  const { app, codeOf, authRequest } = await trusting({}, {}, alg);
  const token = await app.sign({ sub: 'user-42', filename: 'x.pdf', jti: 'one' });
  const { status, headers } = await authRequest(uri(token));
  expect(status).toBe(204);
  expect(headers).toMatchObject({
    'postern-token-id': jwtId('https://app.example', 'one'),
    'postern-subject': 'user-42',
    'postern-target': '/protected/reports/a',
  });
  expect(await codeOf(uri(token, '/download/reports/b'))).toBe('insufficient_scope');
});

test('JWT, external: an unused token is denied for its other errors', async () => {
  const { app, codeOf } = await trusting();
  const token = await app.sign({ max_uses: 1, resume_for: 60 });
  expect(await codeOf(uri(token, '/download/reports/b'))).toBe('insufficient_scope');
  expect(await codeOf(uri(token))).toBe('allow');
});

test('JWT, external: an issuer of clients cannot sign download tokens', async () => {
  const { app, codeOf } = await trusting({ trustedFor: 'clients' });
  expect(await codeOf(uri(await app.sign()))).toBe('invalid_token');
});

test('JWT, external: issuer A cannot sign for issuer B', async () => {
  const a = await foreigner('a');
  const b = await foreigner('b', { paths: [{ prefix: '/download/b/' }] });
  const files = { ...a.file, ...b.file };
  const { codeOf } = await signedGate({ issuers: [a.issuer, b.issuer], files });
  const path = '/download/b/x';
  const posing = { path, iss: b.issuer.issuer };
  expect(await codeOf(uri(await b.sign({ path }), path))).toBe('allow');
  for (const token of [
    await a.sign({ path }),
    await a.sign({ path, iss: 'https://files.example' }),
    await a.sign(posing),
    await a.sign(posing, a.jwk, { kid: 'b 1' }),
  ]) {
    expect(await codeOf(uri(token, path))).toBe('invalid_token');
  }
});

test('JWT, external: a right on one site gives no target on another site', async () => {
  const paths = [
    { site: 'files.example', prefix: '/download/pub/' },
    { site: 'b.example', prefix: '/download/' },
  ];
  const mounts = paths.map(({ site }) => mount(`${site}:/download/`, '/protected/'));
  const { app, codeOf } = await trusting({ paths }, { mounts });
  const claims = { path: '/download/pub/x', site: 'files.example' };
  for (const [target, code] of [
    ['/protected/pub/x', 'allow'],
    ['/protected/secret.txt', 'invalid_token'],
  ]) {
    const token = await app.sign({ ...claims, target });
    expect(await codeOf(uri(token, '/download/pub/x'))).toBe(code);
  }
});

describe('JWT, external: uses', () => {
  test('are counted by the token ID, not by the bytes of the token', async () => {
    const { app, codeOf, ask } = await trusting({ client: 'test' });
    const claims = { max_uses: 1, jti: 'one' };
    const token = await app.sign(claims);
    const others = [{ sub: 'x' }, { max_uses: 1000, exp: START + 600 }, { max_uses: undefined }];
    expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
    expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
    expect(await codeOf(uri(token), from('192.0.2.2'))).toBe('invalid_token');
    for (const more of others) {
      const other = await app.sign({ ...claims, ...more });
      expect(await codeOf(uri(other), from('192.0.2.2'))).toBe('invalid_token');
    }
    expect(await ask(`GET /tokens/${jwtId(app.issuer.issuer, 'one')}`)).toMatchObject({
      body: { uses_left: 0, requesters: [{ address: '192.0.2.1' }] },
    });
  });

  test('last until exp, and new requesters are allowed until start_by', async () => {
    const { app, codeOf, clock } = await trusting();
    const claims = { max_uses: 2, resume_for: 300, start_by: START + 60, exp: START + 360 };
    const token = await app.sign(claims);
    clock.now += 59_000;
    expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
    clock.now += 2_000;
    expect(await codeOf(uri(token), from('192.0.2.2'))).toBe('invalid_token');
    clock.now += 290_000;
    expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
    clock.now += 14_000;
    expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('invalid_token');
  });
});

describe('JWT, external: revoked', () => {
  const owned = () => trusting({ client: 'test' });
  /** A counted token that a client uses, and its place in the API. */
  async function used(more: Partial<TrustedIssuer> = {}, claims = {}) {
    const trusted = await trusting({ client: 'test', ...more });
    const token = await trusted.app.sign({ max_uses: 1, jti: 'one', ...claims });
    expect(await trusted.codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
    return { ...trusted, token, place: `/tokens/${jwtId(trusted.app.issuer.issuer, 'one')}` };
  }

  test('by the token, before or after the first use', async () => {
    const { app, ask, codeOf } = await owned();
    for (const claims of [{}, { max_uses: 1 }]) {
      for (const used of [false, true]) {
        const token = await app.sign(claims);
        if (used) expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
        await ask('POST /revoke', { form: { token }, key: OTHER_KEY });
        expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
        expect((await ask('POST /revoke', { form: { token } })).status).toBe(200);
        expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('invalid_token');
        expect(await ask('POST /introspect', { form: { token } })).toMatchObject({
          body: { active: false },
        });
      }
    }
  });

  test('by its jti, before the first use', async () => {
    const { app, ask, codeOf, clock } = await owned();
    const form = { iss: app.issuer.issuer, jti: 'leaked' };
    expect((await ask('POST /revoke', { form, key: OTHER_KEY })).status).toBe(403);
    const token = await app.sign({ jti: 'leaked', exp: START + 600 });
    expect(await codeOf(uri(token))).toBe('allow');
    expect((await ask('POST /revoke', { form })).status).toBe(200);
    expect(await codeOf(uri(token))).toBe('invalid_token');
    clock.now += 599_000;
    expect(await codeOf(uri(token))).toBe('invalid_token');
    expect(await codeOf(uri(await app.sign({ exp: START + 600 })))).toBe('allow');
  });

  test('with all tokens of its subject, used or not, if it was signed before', async () => {
    const { app, ask, codeOf, clock } = await owned();
    const path = '/download/reports/a';
    const json = { path, subject: 'ann' };
    const stored = (await ask('POST /tokens', { json })).body;
    const sign = (claims: object) => app.sign({ exp: START + 600, sub: 'ann', ...claims });
    const tokens = [await sign({}), await sign({ max_uses: 1 })];
    const asked = (token: string) => codeOf(uri(token), from('192.0.2.1'));
    for (const token of tokens) expect(await asked(token)).toBe('allow');
    const others = [await sign({ sub: 'bob' }), await sign({ sub: undefined })];

    const line = 'DELETE /tokens?subject=ann';
    expect((await ask(line, { key: OTHER_KEY })).body).toEqual({ revoked: 0 });
    for (const token of tokens) expect(await asked(token)).toBe('allow');
    const { status, body } = await ask(line);
    // POSTERN_JWT_LEEWAY and the rest of a second.
    expect([status, body]).toEqual([200, { revoked: 1, signed_before: START + 6 }]);

    const late = await sign({ iat: START + 5 });
    for (const token of [...tokens, late, await sign({ jti: 'new' })]) {
      expect(await asked(token)).toBe('invalid_token');
      const told = await ask('POST /introspect', { form: { token } });
      expect(told.body).toEqual({ active: false });
    }
    expect(await codeOf(stored.url)).toBe('invalid_token');
    for (const token of others) expect(await codeOf(uri(token))).toBe('allow');
    const again = await ask('POST /tokens', { json });
    expect(await codeOf(again.body.url)).toBe('allow');

    clock.now += 6_000;
    expect(await codeOf(uri(await sign({ iat: START + 6 })))).toBe('allow');
    clock.now += 590_000;
    // Its issuer says 600 seconds, and the clocks may differ.
    expect(await codeOf(uri(await sign({ iat: START + 5, exp: START + 605 })))).toBe(
      'invalid_token',
    );
  });

  test('with all tokens of its subject: a used one is not shown, and does not open if it is signed again', async () => {
    const { app, ask, codeOf, clock, place } = await used({}, { sub: 'ann' });
    expect((await ask(`GET ${place}`)).status).toBe(200);
    await ask('DELETE /tokens?subject=bob');
    expect((await ask(`GET ${place}`)).status).toBe(200);
    await ask('DELETE /tokens?subject=ann');
    expect((await ask(`GET ${place}`)).status).toBe(404);
    clock.now += 6_000;
    for (const more of [{ sub: undefined }, { sub: 'eve' }, { sub: 'ann', iat: START + 6 }]) {
      const again = await app.sign({ max_uses: 1, jti: 'one', ...more });
      expect(await codeOf(uri(again), from('192.0.2.1'))).toBe('invalid_token');
    }
  });

  test('with all tokens of its subject, only those of its issuer', async () => {
    const app = await foreigner('app', { client: 'test' });
    const second = await foreigner('second', { client: 'test' });
    const other = await foreigner('other', { client: 'other' });
    const all = [app, second, other];
    const issuers = all.map(({ issuer }) => issuer);
    const files = Object.assign({}, ...all.map(({ file }) => file));
    const { ask, codeOf } = await signedGate({ issuers, files });
    expect((await ask('DELETE /tokens?subject=ann')).body).toHaveProperty('signed_before');
    const codes = [];
    for (const { sign } of all) codes.push(await codeOf(uri(await sign({ sub: 'ann' }))));
    expect(codes).toEqual(['invalid_token', 'invalid_token', 'allow']);
  });

  test('with all tokens of its subject, by an administrator, if its issuer has no client', async () => {
    const apiKeys = [apiKey(KEY, { id: 'ops', admin: true })];
    const { app, ask, codeOf } = await trusting({}, { apiKeys });
    const token = await app.sign({ sub: 'ann' });
    expect((await ask('DELETE /tokens?subject=ann')).body).toEqual({ revoked: 0 });
    expect(await codeOf(uri(token))).toBe('allow');
    const line = `DELETE /tokens?subject=ann&client=${app.issuer.id}`;
    expect((await ask(line)).body).toMatchObject({ revoked: 0, signed_before: START + 6 });
    expect(await codeOf(uri(token))).toBe('invalid_token');
  });

  test('with all tokens of its subject: the audit log and an event say until when it was signed', async () => {
    const { log, parsed } = keptLog();
    const { emit, taken } = recorder();
    const app = await foreigner('app', { client: 'test' });
    const { ask } = await createSigned({ issuers: [app.issuer], files: app.file, log, emit });
    await ask('DELETE /tokens?subject=ann');
    const about = { by: 'subject', subject: 'ann', count: 0, signed_before: START + 6 };
    expect(parsed()).toMatchObject([{ action: 'token.revoked', client: 'test', ...about }]);
    expect(taken()).toMatchObject([{ type: 'token.revoked', data: { client: 'test', ...about } }]);
  });

  test('by its jti or by the token, before it begins, however far ahead', async () => {
    const limits = { maxExpiresIn: 5, maxResumeFor: 0 };
    const { app, ask, codeOf, clock } = await trusting({ client: 'test', ...limits });
    for (const ahead of [132, 40_000_000]) {
      const form = { iss: app.issuer.issuer, jti: `ahead ${ahead}` };
      const begins = clock.now / 1000 + ahead;
      const token = await app.sign({ iat: begins, exp: begins + 5, jti: form.jti });
      expect((await ask('POST /revoke', { form })).status).toBe(200);
      const second = await app.sign({ iat: begins, exp: begins + 5 });
      expect((await ask('POST /revoke', { form: { token: second } })).status).toBe(200);
      clock.now = begins * 1000;
      expect(await codeOf(uri(token))).toBe('invalid_token');
      expect(await codeOf(uri(second))).toBe('invalid_token');
      const other = await app.sign({ iat: begins, exp: begins + 5 });
      expect(await codeOf(uri(other))).toBe('allow');
    }
  });

  test('by its ID if its uses are counted, only by its own client, and not prolonged', async () => {
    const { ask, codeOf, token, place } = await used();
    const prolonging = { json: { expires_in: 60 } };
    for (const line of [`DELETE ${place}`, `PATCH ${place}`]) {
      expect((await ask(line, { key: OTHER_KEY, ...prolonging })).status).toBe(404);
    }
    const refused = { status: 400, body: { errors: [{ pointer: '#/expires_in' }] } };
    expect(await ask(`PATCH ${place}`, prolonging)).toMatchObject(refused);
    expect(await codeOf(uri(token), from('192.0.2.1'))).toBe('allow');
    expect((await ask(`DELETE ${place}`)).status).toBe(204);
    for (const address of ['192.0.2.1', '192.0.2.2']) {
      expect(await codeOf(uri(token), from(address))).toBe('invalid_token');
    }
    expect((await ask(`GET ${place}`)).status).toBe(404);
  });

  test('again: a second revocation also covers a later token with the same jti', async () => {
    const { app, ask, codeOf, clock } = await owned();
    const sign = (iat: number) => app.sign({ iat, exp: iat + 600, jti: 'one' });
    await ask('POST /revoke', { form: { token: await sign(START) } });
    clock.now += 1_500_000;
    const later = await sign(START + 1500);
    expect((await ask('POST /revoke', { form: { token: later } })).status).toBe(200);
    clock.now += 500_000;
    expect(await codeOf(uri(later))).toBe('invalid_token');
  });

  test('by its ID, until every token with the same jti has ended', async () => {
    const { app, ask, codeOf, clock, place } = await used(
      { maxExpiresIn: 3600 },
      { exp: START + 60 },
    );
    const long = await app.sign({ jti: 'one', exp: START + 3600 });
    expect((await ask(`DELETE ${place}`)).status).toBe(204);
    clock.now += 800_000;
    expect(await codeOf(uri(long))).toBe('invalid_token');
  });

  test('by one of two tokens with the same jti, the other one too', async () => {
    const { app, ask, codeOf, clock } = await owned();
    const token = await app.sign({ jti: 'one', exp: START + 60 });
    const twin = await app.sign({ jti: 'one', exp: START + 600 });
    expect((await ask('POST /revoke', { form: { token } })).status).toBe(200);
    expect(await codeOf(uri(twin))).toBe('invalid_token');
    clock.now += 121_000;
    expect(await codeOf(uri(twin))).toBe('invalid_token');
  });
});

test('cookies: of several JWTs, one with an invalid signature is checked, and the tokens of a browser still count', async () => {
  const { app, authRequest } = await trusting();
  const path = '/download/reports/b';
  const ok = () => app.sign({ path });
  const bad = async () => `${(await ok()).slice(0, -9)}AAAAAAAAA`;
  const checks = vi.spyOn(crypto.subtle, 'verify');
  onTestFinished(() => checks.mockRestore());
  const asked = async (...tokens: string[]) => {
    checks.mockClear();
    const Cookie = tokens.map((token) => `postern=${token}`).join('; ');
    const { status } = await authRequest(path, { 'Postern-Cookie': tokens[0] ?? '', Cookie });
    return [status, checks.mock.calls.length];
  };
  const invalid = await Promise.all([bad(), bad(), bad(), app.sign({ path, aud: 'x' })]);
  for (const tokens of [invalid, invalid.toReversed()])
    expect(await asked(...tokens)).toEqual([401, 1]);
  const [known, unknown] = [await ok(), await ok()];
  expect(await asked(known)).toEqual([204, 1]);
  expect(await asked(...invalid.slice(1), known)).toEqual([204, 1]);
  expect(await asked(invalid[0] as string, unknown)).toEqual([401, 1]);
  // What a browser keeps of nested folders.
  const past = { path, iat: START - 300, exp: START - 200 };
  const removed = await app.sign({ path }, await newJwk('EdDSA', 'removed'));
  expect(await asked(await app.sign(past), removed, unknown)).toEqual([204, 1]);
  expect(await asked(await app.sign(), await ok())).toEqual([204, 2]);
});

test('JWT, external: the same jti of two issuers is two tokens', async () => {
  expect(jwtId('https://a', 'b')).not.toBe(jwtId('https://a\0b', ''));
  const a = await foreigner('a', { client: 'test' });
  const b = await foreigner('b', { client: 'other' });
  const files = { ...a.file, ...b.file };
  const { codeOf, ask } = await signedGate({ issuers: [a.issuer, b.issuer], files });
  const claims = { jti: 'x', max_uses: 1 };
  const [one, two] = [await a.sign(claims), await b.sign(claims)];
  expect(await codeOf(uri(one), from('192.0.2.1'))).toBe('allow');
  // The client owns only the first issuer.
  for (const token of [one, two]) await ask('POST /revoke', { form: { token } });
  expect(await codeOf(uri(two), from('192.0.2.2'))).toBe('allow');
  expect(await codeOf(uri(one), from('192.0.2.1'))).toBe('invalid_token');
});
