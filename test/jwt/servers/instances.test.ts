import { expect, test } from 'vitest';
import { waitFor } from '../../harness/wait.ts';
import { tell } from '../../store/open-redis.ts';
import { startTwo } from '../instances.ts';

test('JWT with several instances: a revoked token is denied immediately on every instance', async () => {
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
});

test('JWT with several instances: uses are counted over all', async () => {
  const { one, each, other } = await startTwo();
  const { access_token: token, id } = await one.issue({ max_uses: 2 });
  const from = (address: string) => ({ 'X-Real-IP': address });
  const statuses = [];
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.1']) {
    for (const at of each) {
      statuses.push((await at.gate(token, '/download/a', from(address))).status);
    }
  }
  expect(statuses).toEqual([204, 204, 204, 204, 401, 401, 204, 204]);
  expect((await other.ask(`GET /tokens/${id}`)).body).toMatchObject({
    uses_left: 0,
    format: 'jwt',
  });
});

test('JWT with several instances: after Redis loses its data, only tokens without a record are valid', async () => {
  const { redis, one, each } = await startTwo();
  const bodies = [{}, { max_uses: 1 }, { format: 'opaque' }, { revocable: false }];
  const issued = await Promise.all(bodies.map((body) => one.issue(body)));
  const tokens = issued.map(({ access_token: token }) => token);
  for (const at of each) expect(await at.statusesOf(...tokens)).toEqual([204, 204, 204, 204]);
  await tell(redis, 'FLUSHALL');
  for (const at of each) expect(await at.statusesOf(...tokens)).toEqual([401, 401, 401, 204]);
});

test('JWT with several instances: without Redis, only tokens without a record are allowed', async () => {
  const { redis, one, each } = await startTwo();
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
  const revoked = await one.ask('POST /revoke', { form: { token: tokens[0] } });
  expect(revoked.status).toBe(503);

  await redis.restart();
  for (const at of each) {
    const back = async () => (await at.statusOf(tokens[0] ?? '')) === 401;
    await waitFor(back, { what: 'Redis to be reached again' });
    expect(await at.statusesOf(...tokens)).toEqual([401, 401, 401, 204]);
  }
});
