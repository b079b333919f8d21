import { describe, expect, test } from 'vitest';
import { keptLog } from '../support/ask-api.ts';
import { fieldsOf, objectOf } from '../support/fixtures.ts';
import { compact, foreigner, newJwk, uri } from '../support/jwt/issuers.ts';
import { signedGate } from '../support/jwt/signed.ts';

// The reason why a JWT is rejected is in the log, and not in the response.

const ISSUER = 'https://app.example';

async function logged(issuers: object = {}) {
  const { log, lines, parsed } = keptLog();
  const app = await foreigner('app', { client: 'test', ...issuers });
  const gate = await signedGate({ log, issuers: [app.issuer], files: app.file });
  async function reasonOf(token: string, path?: string) {
    lines.length = 0;
    const { headers } = await gate.authRequest(uri(token, path));
    expect(headers['postern-reason']).toBe('invalid_token');
    expect(JSON.stringify(headers)).not.toContain('iss');
    const { code, reason, issuer, level } = parsed()[0];
    expect({ code, level }).toEqual({ code: 'invalid_token', level: 30 });
    expect(lines.join('')).not.toContain(token.split('.')[2]);
    return [reason, issuer];
  }
  return { ...gate, app, lines, reasonOf };
}

describe('JWT reasons: an external token', () => {
  test.each(fieldsOf('rejected-claims.txt'))('%s: %s', async (_, says, claims) => {
    const { app, reasonOf } = await logged();
    const [reason, issuer] = await reasonOf(await app.sign(objectOf(claims)));
    expect(reason).toMatch(new RegExp(`^${says}`));
    expect(issuer).toBe(ISSUER);
  });

  test('header and signature', async () => {
    const { app, reasonOf } = await logged();
    const stranger = await newJwk('EdDSA', 'a stranger');
    const kid = app.jwk.kid as string;
    for (const [jwk, says] of [
      [stranger, /^kid: /],
      [{ ...stranger, kid }, /^signature: /],
      [await newJwk('ES256', kid), /^alg: /],
    ] as const) {
      const reason = await reasonOf(await app.sign({}, jwk));
      expect(reason).toEqual([expect.stringMatching(says), ISSUER]);
    }
  });

  test('JWT reasons: an unknown issuer is not named', async () => {
    const { app, reasonOf } = await logged();
    const token = await app.sign({ iss: 'https://s3cret.example' });
    expect(await reasonOf(token)).toEqual([expect.stringMatching(/^iss: /), undefined]);
  });

  test('JWT reasons: a revoked token', async () => {
    const { app, ask, reasonOf } = await logged();
    const token = await app.sign();
    await ask('POST /revoke', { form: { token } });
    expect(await reasonOf(token)).toEqual([expect.stringContaining('revoked'), undefined]);
  });
});

test('JWT reasons: an own token without a record in the store', async () => {
  const { issue, store, reasonOf } = await logged();
  const { access_token: token, id } = await issue({ path: '/download/a' });
  await store.revoke(id, 'test');
  expect(await reasonOf(token, '/download/a')).toEqual([
    expect.stringContaining('the store does not have it'),
    undefined,
  ]);
});

test('JWT reasons: the log contains no value of a claim and no control character', async () => {
  const { app, lines, reasonOf } = await logged();
  const hostile = '\u001b[2J\u009b\u2028\u202e"\n{"level":60}';
  const secret = 's3cret-value';
  for (const claims of [
    { [hostile]: 1 },
    { [`${secret} of a name`.repeat(20)]: 1 },
    { aud: secret + hostile },
    { path: `/download/${secret}${hostile}` },
    { max_uses: secret + hostile },
    { sub: secret + hostile },
    { site: secret + hostile },
    { ip: [secret + hostile] },
    { disposition: secret + hostile },
    { jti: [secret + hostile] },
    { exp: secret + hostile },
  ]) {
    const [reason] = await reasonOf(await app.sign(claims));
    expect(reason).toMatch(/^[\x20-\x7e]{1,300}$/);
    expect(lines.join('')).not.toMatch(/s3cret|(?!\n)[\p{Cc}\u2028\u202e]/u);
  }
  for (const header of [
    { kid: secret + hostile },
    { crit: [secret + hostile], [secret + hostile]: 1 },
    { b64: secret + hostile, crit: ['b64'] },
  ]) {
    const head = { alg: 'EdDSA', typ: 'postern+jwt', kid: 'app 1', ...header };
    const claims = { iss: ISSUER, aud: 'https://files.example' };
    const [reason] = await reasonOf(compact(head, claims, () => 'A'.repeat(86)));
    expect(reason).toMatch(/^[\x20-\x7e]{1,300}$/);
    expect(lines.join('')).not.toMatch(/s3cret|(?!\n)[\p{Cc}\u2028\u202e]/u);
  }
});
