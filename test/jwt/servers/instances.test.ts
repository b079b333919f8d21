import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeProtectedHeader, importJWK, type JWK, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { waitFor } from '../../harness/wait.ts';
import { folderForTest } from '../../support/for-test.ts';
import { FILE, type Instance, startInstance, startTwo } from '../../support/jwt/instances.ts';
import { endpoint, newJwk, publicHalf } from '../../support/jwt/issuers.ts';

test('JWT, instances: revocations and uses are known immediately on every instance', async () => {
  const { one, other, each } = await startTwo();
  const by = [
    (token: string) => one.ask('POST /revoke', { form: { token } }),
    (_: string, id: string) => one.ask(`DELETE /tokens/${id}`),
    () => one.ask('DELETE /tokens?subject=ann'),
  ];
  for (const revoke of by) {
    for (const issuer of each) {
      const { access_token: token, id } = await issuer.issue({ subject: 'ann' });
      for (const at of each) expect(await at.statusesOf(token, token)).toEqual([204, 204]);
      expect((await revoke(token, id)).status).toBeLessThan(300);
      for (const at of each) expect(await at.statusOf(token)).toBe(401);
      const { body } = await other.ask('POST /introspect', { form: { token } });
      expect(body).toEqual({ active: false });
    }
  }

  const { access_token: token, id } = await one.issue({ max_uses: 2 });
  const statuses = [];
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.1']) {
    for (const at of each) {
      statuses.push((await at.gate(token, FILE, { 'X-Real-IP': address })).status);
    }
  }
  expect(statuses).toEqual([204, 204, 204, 204, 401, 401, 204, 204]);
  const { body } = await other.ask(`GET /tokens/${id}`);
  expect(body).toMatchObject({ uses_left: 0, format: 'jwt' });
});

test('JWT, instances: without Redis or its data, only tokens without a record are allowed', async () => {
  const { redis, one, each } = await startTwo();
  // The store has no record of the last one.
  const bodies = [{}, { max_uses: 1 }, { format: 'opaque' }, { revocable: false }];
  const issued = await Promise.all(bodies.map((body) => one.issue(body)));
  const tokens = issued.map(({ access_token: token }) => token);
  // The first instance has not verified the token before. This needs no Redis either.
  expect(await each[1].statusesOf(...tokens)).toEqual([204, 204, 204, 204]);
  await redis.stop();
  for (const at of each) expect(await at.statusesOf(...tokens)).toEqual([503, 503, 503, 204]);

  // A token that needs no Redis can also be issued without Redis.
  const { access_token: more } = await one.issue({ revocable: false });
  for (const at of each) expect(await at.statusOf(more)).toBe(204);
  expect((await one.ask('POST /tokens', { json: { path: '/download/a' } })).status).toBe(503);
  const revoked = await one.ask('POST /revoke', { form: { token: tokens[0] ?? '' } });
  expect(revoked.status).toBe(503);

  await redis.restart();
  for (const at of each) {
    await expect.poll(() => at.statusOf(tokens[0] ?? '')).toBe(401);
    expect(await at.statusesOf(...tokens)).toEqual([401, 401, 401, 204]);
  }
});

/** A token that is stored, and one that is not. */
async function issueBoth(at: Instance): Promise<string[]> {
  const issued = await Promise.all([at.issue(), at.issue({ revocable: false })]);
  return issued.map(({ access_token: token }) => token);
}

const kidOf = (token: string) => decodeProtectedHeader(token).kid;

async function reload(instances: readonly Instance[]): Promise<void> {
  const told = await Promise.all(instances.map((at) => at.reload()));
  expect(told.map(({ level }) => level)).toEqual(['info', 'info']);
}

/**
 * Asks both for all of these tokens again and again, and for new ones as they are issued: at their
 * own issuer, or at the other one. Until `end`, which returns the number of answers by status.
 */
function startLoad(
  instances: readonly [Instance, Instance],
  tokens: string[],
  newOnesAt: 'own' | 'other',
) {
  const answers = new Map<number, number>();
  let going = true;
  async function ask(at: Instance, token: string): Promise<void> {
    const status = await at.statusOf(token);
    answers.set(status, (answers.get(status) ?? 0) + 1);
  }
  async function repeat(at: Instance): Promise<void> {
    for (let i = 0; going; i += 1) await ask(at, tokens[i % tokens.length] as string);
  }
  async function renew(at: Instance, opensAt: Instance): Promise<void> {
    while (going) for (const token of await issueBoth(at)) await ask(opensAt, token);
  }
  const [one, other] = instances;
  const turned = newOnesAt === 'own' ? [one, other] : [other, one];
  const work = Promise.all([
    ...instances.flatMap((at) => [repeat(at), repeat(at)]),
    ...instances.map((at, i) => renew(at, turned[i] as Instance)),
  ]);
  const count = () => [...answers.values()].reduce((sum, each) => sum + each, 0);
  return {
    /** Waits for this many more answers. */
    async answered(more: number): Promise<void> {
      const before = count();
      await expect.poll(() => count() - before).toBeGreaterThan(more);
    },
    async end(): Promise<Record<string, number>> {
      going = false;
      await work;
      return Object.fromEntries(answers);
    },
  };
}

test('JWT keys: in a rotation, no wrong decision under load, and tokens of a removed key end', async () => {
  const { file, one, each } = await startTwo();
  const old = (await Promise.all(each.map(issueBoth))).flat();
  const tokens = [...old];
  const load = startLoad(each, tokens, 'own');
  await load.answered(100);
  await file.generate('--rotate');
  await load.answered(100);
  await reload(each);
  const fresh = (await Promise.all(each.map(issueBoth))).flat();
  tokens.push(...fresh);
  await load.answered(200);
  expect(await load.end()).toEqual({ 204: expect.any(Number) });

  const [next, before] = await file.keys();
  expect(new Set(old.map(kidOf))).toEqual(new Set([before?.kid]));
  expect(new Set(fresh.map(kidOf))).toEqual(new Set([next?.kid]));

  // All of them have just been verified, and are remembered.
  const others = startLoad(each, old, 'own');
  await others.answered(100);
  await file.write([next ?? {}]);
  await reload(each);
  // Those in flight when the keys were replaced have been answered by then.
  await others.answered(100);
  for (const at of each) {
    expect(await at.statusesOf(...old)).toEqual(old.map(() => 401));
    expect(await at.statusesOf(...fresh)).toEqual(fresh.map(() => 204));
  }
  await others.end();
  const { body } = await one.ask('GET /.well-known/jwks.json');
  expect(body.keys.map(({ kid }: { kid: string }) => kid)).toEqual([next?.kid]);
});

test('JWT keys: in a rotation, a new key that is first added as the second key is known on every instance', async () => {
  const { file, each } = await startTwo();
  const tokens = (await Promise.all(each.map(issueBoth))).flat();
  const load = startLoad(each, tokens, 'other');
  await file.generate('--rotate');
  const [next = {}, before = {}] = await file.keys();
  for (const keys of [
    [before, next],
    [next, before],
  ]) {
    await file.write(keys);
    await reload(each);
    await load.answered(100);
  }
  expect(await load.end()).toEqual({ 204: expect.any(Number) });
});

test('JWT issuers: keys that are unavailable at the start are fetched later, and other tokens work', async () => {
  const [away, there] = [await endpoint(), await endpoint()];
  const [shop, press] = [await newJwk('ES256', 'shop'), await newJwk('EdDSA', 'press')];
  away.state.keys = [publicHalf(shop)];
  there.state.keys = [publicHalf(press)];
  await away.stop();
  const audience = 'https://files.example';
  const issuer = (id: string, jwks_uri: string) => ({
    ...{ id, issuer: `https://${id}.example`, jwks_uri, trusted_for: 'downloads', audience },
    ...{ paths: [`/download/${id}/`], max_expires_in: 600 },
  });
  const config = join(await folderForTest(), 'postern.yaml');
  // JSON is YAML.
  const issuers = [issuer('shop', away.uri), issuer('press', there.uri)];
  await writeFile(config, JSON.stringify({ issuers }));
  const service = await startInstance({ POSTERN_CONFIG: config });
  async function download(jwk: JWK): Promise<string> {
    const { alg = '', kid: id = '' } = jwk;
    const now = Math.floor(Date.now() / 1000);
    const times = { iat: now, exp: now + 300, jti: '1' };
    const who = { iss: `https://${id}.example`, aud: audience, path: `/download/${id}/a` };
    return new SignJWT({ ...who, ...times })
      .setProtectedHeader({ alg, kid: id, typ: 'postern+jwt' })
      .sign(await importJWK(jwk, alg));
  }
  const [early, other] = [await download(shop), await download(press)];
  const { access_token: own } = await service.issue();

  const denied = await service.gate(early, '/download/shop/a');
  expect([denied.status, denied.headers.get('postern-reason')]).toEqual([503, 'unavailable']);
  expect(await service.statusOf(other, '/download/press/a')).toBe(204);
  expect(await service.statusOf(own)).toBe(204);
  expect((await service.ask('GET /readyz')).status).toBe(200);
  const told = () => service.stdout().includes('https://shop.example');
  await waitFor(told, { what: 'the issuer to be named in the log' });

  await away.start();
  const passes = async () => {
    const status = await service.statusOf(early, '/download/shop/a');
    expect([503, 204]).toContain(status);
    return status === 204;
  };
  await waitFor(passes, { what: 'the keys to be asked for again' });
  expect(away.state.asked).toBe(1);

  await service.stop();
  for (const token of [early, other]) expect(service.stdout()).not.toContain(token);
});
