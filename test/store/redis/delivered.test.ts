import { expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { sent } from '../contract-delivered.ts';
import { grantAt, newId } from '../grants.ts';
import { keysOf, openRedis, tell } from '../open-redis.ts';

test('addDelivered: what was sent lives as long as the grant, also if that is prolonged', async () => {
  const redis = await startRedis();
  const store = await openRedis(redis);
  onTestFinished(async () => {
    await store.close();
    await redis.stop();
  });
  const now = Date.now();
  const [plain, counted] = [newId(), newId()];
  await store.issue([
    [plain, grantAt(now, { expiresAt: now + 60_000 })],
    [counted, grantAt(now, { expiresAt: now + 60_000, uses: { max: 2, resumeFor: 300 } })],
  ]);
  /** Milliseconds since the epoch: however long the two commands take, both are the same. */
  const endOf = async (kind: string, id: string) =>
    Number((await tell(redis, `PEXPIRETIME postern:${kind}:{${id}}`)).slice(1));
  const both = async (id: string) => (await endOf('grant', id)) - (await endOf('uses', id));
  for (const id of [plain, counted]) {
    await store.addDelivered([[id, sent([0, 1])]]);
    expect(Math.abs(await both(id))).toBeLessThan(1000);
    await store.prolong(id, 'web', now + 600_000);
    expect(await endOf('uses', id)).toBeGreaterThan(now + 500_000);
    expect(Math.abs(await both(id))).toBeLessThan(1000);
  }
  await store.redeem(counted, { cookies: [], newCookie: newId() }, true);
  expect(Math.abs(await both(counted))).toBeLessThan(1000);

  for (const id of [plain, counted]) await store.revoke(id, 'web');
  const keysFor = async (id: string) => (await keysOf(redis)).filter((key) => key.includes(id));
  for (const id of [plain, counted]) expect(await keysFor(id)).toEqual([]);
  const short = newId();
  await store.issue([[short, grantAt(now, { expiresAt: Date.now() + 1000 })]]);
  await store.addDelivered([[short, sent([0, 1])]]);
  await waitFor(async () => (await keysFor(short)).length === 0, { what: 'both keys to expire' });
});
