import { describe, expect, test } from 'vitest';
import type { TrustedIssuer } from '../../service/jwt/issuers.ts';
import { keptLog } from '../support/ask-api.ts';
import { fieldsOf } from '../support/fixtures.ts';
import { bearer, endpoint, files, login, START } from '../support/jwt/issuers.ts';
import { createSigned } from '../support/jwt/signed.ts';

const opened = (more: Partial<TrustedIssuer> = {}) =>
  createSigned({ issuers: [{ ...login, ...more }], files });

test('JWT, client: a user can request tokens only for its own paths', async () => {
  const { ask } = await opened();
  const [ann, bob] = [await bearer(), await bearer({ sub: 'bob' })];
  const mine = await ask('POST /tokens', { key: ann, json: { path: '/download/users/ann/a' } });
  expect(mine).toMatchObject({ status: 201 });
  const { id } = mine.body;
  expect((await ask(`GET /tokens/${id}`, { key: ann })).body).toMatchObject({
    client_id: 'login/ann',
    subject: 'ann',
  });
  expect((await ask(`GET /tokens/${id}`, { key: bob })).status).toBe(404);
  expect((await ask(`DELETE /tokens/${id}`, { key: bob })).status).toBe(404);
  const listed = await ask('GET /tokens?subject=ann', { key: bob });
  expect(listed.body).toEqual({ tokens: [] });
  expect((await ask('DELETE /tokens?subject=ann', { key: ann })).body).toEqual({ revoked: 1 });
  const theirs = await ask('POST /tokens', { key: ann, json: { path: '/download/users/bob/a' } });
  expect(theirs).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
  const long = { path: '/download/users/ann/a', expires_in: 601 };
  expect((await ask('POST /tokens', { key: ann, json: long })).status).toBe(400);
});

test.each(fieldsOf('user-claims.txt'))(
  'JWT, client: a claim is one segment of a path: %s for %s: %s',
  async (claims = '', path, status) => {
    const { ask } = await opened();
    const key = await bearer(JSON.parse(claims));
    expect((await ask('POST /tokens', { key, json: { path } })).status).toBe(Number(status));
  },
);

test('JWT, client: a path is only for its site', async () => {
  const { ask } = await opened({ paths: [{ site: 'a.example', prefix: '/download/{sub}/' }] });
  for (const [site, status] of [
    ['a.example', 201],
    ['b.example', 403],
    [undefined, 403],
  ] as const) {
    const json = { path: '/download/ann/a', site };
    expect((await ask('POST /tokens', { key: await bearer(), json })).status).toBe(status);
  }
});

// Parsing a header of 4,500 names takes a millisecond, before anything is checked.
describe('JWT, client: the size', () => {
  const groups = (count: number) => ({ groups: Array(count).fill(crypto.randomUUID()) });
  const names = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, 1]));
  const chain = (count: number) => ({ x5c: Array(count).fill('M'.repeat(1750)) });
  test.each<[string, object, object, number]>([
    ['200 groups, as Entra ID writes', { ...groups(200), pad: 'x'.repeat(1500) }, {}, 201],
    ['16,000 characters', { pad: 'x'.repeat(11_600) }, {}, 201],
    ['more', { pad: 'x'.repeat(12_000) }, {}, 401],
    ['three certificates in the header', {}, chain(3), 201],
    ['four', {}, chain(4), 401],
    ['50 names in the header', {}, names(50), 201],
    ['70', {}, names(70), 401],
    ['70 nested lists', {}, { x: JSON.parse(`${'['.repeat(70)}${']'.repeat(70)}`) }, 401],
  ])('with %s', async (_, claims, header, status) => {
    const { ask } = await opened();
    const json = { path: '/download/users/ann/a' };
    const key = await bearer(claims, header);
    expect((await ask('POST /tokens', { key, json })).status, `${key.length}`).toBe(status);
  });
});

describe('JWT, client: rejected', () => {
  const noText = [{ sub: undefined }, { sub: 7 }, { sub: '' }, { sub: '\ud800' }];
  test.each<[string, object[], object?]>([
    ['one of another issuer', [{ iss: 'https://other.example' }]],
    ['one for another audience or none', [{ aud: 'other' }, { aud: undefined }]],
    ['one that has ended, or never ends', [{ exp: START - 6 }, { exp: undefined }]],
    ['one that has not begun', [{ nbf: START + 6 }]],
    ['one whose sub is no text of 1 to 255 characters', [...noText, { sub: 'x'.repeat(256) }]],
    ['a download token', [{}, { pad: 'x'.repeat(4000) }], { typ: 'postern+jwt' }],
    ['one of another key', [{}], { kid: 'other' }],
    ['one without a kid', [{}], { kid: undefined }],
  ])('%s', async (_, changes, header) => {
    const { ask } = await opened();
    const json = { path: '/download/users/ann/a' };
    for (const claims of changes) {
      const reply = await ask('POST /tokens', { key: await bearer(claims, header), json });
      const rejected = { status: 401, body: { code: 'invalid_client' } };
      expect(reply, JSON.stringify(claims)).toMatchObject(rejected);
    }
  });

  test('a JWT of an issuer for downloads only', async () => {
    const { ask } = await opened({ trustedFor: 'downloads' });
    const json = { path: '/download/users/ann/a' };
    expect((await ask('POST /tokens', { key: await bearer(), json })).status).toBe(401);
  });
});

test('JWT, client: a small clock difference is tolerated', async () => {
  const { ask } = await opened();
  const json = { path: '/download/users/ann/a' };
  for (const claims of [{ exp: START - 4 }, { nbf: START + 5 }]) {
    expect((await ask('POST /tokens', { key: await bearer(claims), json })).status).toBe(201);
  }
});

test('JWT, client: names that look alike are different', async () => {
  const { ask } = await opened();
  const subs = ['a', 'A', 'a:subject:same', 'a}', 'a/b', 'a%2Fb', 'é', 'e\u0301'];
  const ids = [];
  for (const sub of subs) {
    const key = await bearer({ sub, team: 't', role: 'r' });
    const json = { path: '/download/teams/t/r/x', subject: 'same' };
    ids.push((await ask('POST /tokens', { key, json })).body.id);
  }
  for (const [i, sub] of subs.entries()) {
    const key = await bearer({ sub });
    const { body } = await ask('GET /tokens', { key });
    expect(body.tokens.map(({ id }: { id: string }) => id)).toEqual([ids[i]]);
  }
});

test('JWT, client: the reason of a rejection is logged with the issuer, and not sent to the client', async () => {
  const { ask, rejections } = await opened();
  const refused = async (key: string) => {
    const reply = await ask('POST /tokens', { key, json: { path: '/download/users/ann/a' } });
    expect(reply).toMatchObject({ status: 401, body: { code: 'invalid_client' } });
    return reply.text;
  };
  const texts = [
    await refused(await bearer({ exp: START - 100 })),
    await refused(await bearer({ aud: 's3cret' })),
    await refused(await bearer({ sub: '\u001b[2J' })),
    await refused(await bearer({}, { kid: '\u001b[2J' })),
  ];
  expect(new Set(texts).size).toBe(1);
  expect(rejections.map(({ issuer }) => issuer)).toEqual(Array(4).fill('https://login.example'));
  const reasons = rejections.map(({ reason }) => reason);
  const fields = reasons.map((reason) => reason.split(':')[0]);
  expect(fields).toEqual(['exp', 'aud', 'sub', 'kid']);
  expect(reasons.join('')).toMatch(/^[\x20-\x7e]+$/);
  expect(reasons.join('')).not.toContain('s3cret');
  // Neither an API key nor a JWT of an unknown issuer.
  for (const key of ['x', await bearer({ iss: 'https://nobody.example' })]) await refused(key);
  expect(rejections).toHaveLength(4);
});

test('JWT, client: unavailable keys are not reported as a store error', async () => {
  const jwks = await endpoint((response) => response.writeHead(500).end());
  const { log, parsed } = keptLog('error');
  const issuers = [{ ...login, keys: { uri: jwks.uri } }];
  const { ask } = await createSigned({ issuers, log });
  const json = { path: '/download/users/ann/a' };
  const { status, text } = await ask('POST /tokens', { key: await bearer(), json });
  expect(status).toBe(503);
  expect(`${text} ${JSON.stringify(parsed())}`).not.toMatch(/store/);
});
