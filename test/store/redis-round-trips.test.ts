import { expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../../dev/redis.ts';
import { startCountingProxy } from './counting-proxy.ts';
import { grantAt, newId } from './grants.ts';
import { openRedis } from './open-redis.ts';

test('issuing, finding and revoking cost one round trip each', async () => {
  const redis = await startRedis();
  const proxy = await startCountingProxy(redis.port);
  const store = await openRedis(redis, { port: proxy.port, timeoutMs: 5_000 });
  onTestFinished(async () => {
    await store.close();
    await redis.stop();
  });
  async function turnsOf(what: Promise<unknown>): Promise<number> {
    const before = proxy.turns();
    await what;
    return proxy.turns() - before;
  }
  const id = newId();
  const now = Date.now();
  expect(await turnsOf(store.issue([[id, grantAt(now, { subject: 'u' })]]))).toBe(1);
  const many = ['u', 'v', undefined].map((subject) => {
    return [newId(), grantAt(now, subject === undefined ? {} : { subject })] as const;
  });
  expect(await turnsOf(store.issue(many))).toBe(1);
  expect(await turnsOf(store.find(id))).toBe(1);
  expect(await turnsOf(store.revoke(id, 'other'))).toBe(1);
  expect(await turnsOf(store.revoke(id, 'web'))).toBe(1);
  // A cut, a page, its grants, its entries, and there is no other page.
  expect(await turnsOf(store.revokeSubject('web', 'v'))).toBe(5);
});
