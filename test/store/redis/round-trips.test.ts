import { expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../../harness/redis.ts';
import { sent } from '../contract-delivered.ts';
import { startCountingProxy } from '../counting-proxy.ts';
import { grantAt, newId } from '../grants.ts';
import { answers, openRedis } from '../open-redis.ts';

/** Its own round trips are not counted. */
const NEVER = 3_600_000;

test('Redis: issue, find and revoke cost one round trip each', async () => {
  const redis = await startRedis();
  const proxy = await startCountingProxy(redis.port);
  const store = await openRedis(redis, { port: proxy.port, checkEveryMs: NEVER });
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
  // For requests that arrive together.
  const alone = many.map(() => store.issue([[newId(), grantAt(now)]]));
  expect(await turnsOf(Promise.all(alone))).toBe(1);
  expect(await turnsOf(store.find(id))).toBe(1);
  expect(await turnsOf(store.findTimed(id))).toBe(1);
  expect(await turnsOf(Promise.all(many.map(([one]) => store.findTimed(one))))).toBe(1);
  const limited = many.map(() => [newId(), grantAt(now, { maxBytes: 1 })] as const);
  await store.issue(limited);
  // A write that may be lost comes first.
  expect(await turnsOf(store.addDelivered(limited.map(([one]) => [one, sent([0, 1])])))).toBe(2);
  // Whether the bytes of a token are used up is part of its record.
  const found = Promise.all(limited.map(([one]) => store.find(one)));
  expect(await turnsOf(found)).toBe(1);
  expect(await found).toMatchObject(limited.map(() => ({ exhausted: true })));
  expect(await turnsOf(store.delivered(id))).toBe(1);
  expect(await turnsOf(store.list('web', { subject: 'u' }, 10))).toBe(2);
  expect(await turnsOf(store.prolong(id, 'web', now + 1000))).toBe(2);
  expect(await turnsOf(store.revoke(id, 'other'))).toBe(1);
  expect(await turnsOf(store.revoke(id, 'web'))).toBe(1);
  // The rename, a page, its grants, its entries, and the empty last page.
  expect(await turnsOf(store.revokeSubject('web', 'v'))).toBe(5);
});

test('Redis: a use costs one round trip, also the first one and after a restart of Redis', async () => {
  const redis = await startRedis();
  const proxy = await startCountingProxy(redis.port);
  const store = await openRedis(redis, { port: proxy.port, checkEveryMs: NEVER });
  onTestFinished(async () => {
    await store.close();
    await redis.stop();
  });
  const requester = { cookies: [newId()], address: '192.0.2.1', newCookie: newId() };
  for (const restart of [false, true]) {
    if (restart) {
      await redis.restart();
      await answers(store);
    }
    const id = newId();
    const uses = { max: 1, resumeFor: 60 };
    await store.issue([[id, grantAt(Date.now(), { uses })]]);
    for (const redeemed of ['new', 'known']) {
      const before = proxy.turns();
      expect(await store.redeem(id, requester, true)).toBe(redeemed);
      expect(proxy.turns() - before).toBe(1);
    }
  }
});
