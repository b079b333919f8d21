import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Redis, startRedis } from '../../dev/redis.ts';
import { digest } from '../../service/domain/digest.ts';
import type { Uses } from '../../service/domain/grant.ts';
import type { Requester } from '../../service/domain/requester.ts';
import { type Store, StoreUnavailable } from '../../service/domain/store.ts';
import { grantAt, newId } from './grants.ts';
import { openRedis, tell } from './open-redis.ts';

let redis: Redis;
let store: Store;
beforeAll(async () => {
  redis = await startRedis();
  store = await openRedis(redis, { timeoutMs: 2_000 });
});
afterAll(async () => {
  await store.close();
  await redis.stop();
});

const from = (i: number): Requester => ({
  address: `2001:db8:${i.toString(16)}:1::/64`,
  cookies: [],
  newCookie: digest(newId()),
});

async function issue(uses: Partial<Uses>, more = {}): Promise<string> {
  const id = newId();
  const whole = { resumeFor: 60, requesters: [], ...uses };
  await store.issue([[id, grantAt(Date.now(), { uses: whole, ...more })]]);
  return id;
}

/** Microseconds of Redis' own for one script, on the average of many. */
async function costOf(id: string, next: (i: number) => Requester): Promise<number> {
  await tell(redis, 'CONFIG RESETSTAT');
  for (let i = 0; i < 200; i += 1) await store.redeem(id, next(i), true);
  const stats = await tell(redis, 'INFO commandstats');
  return Number(/cmdstat_eval:.*usec_per_call=([\d.]+)/.exec(stats)?.[1]);
}

// Redis runs one script at a time. At a thousand requesters each request holds it for one or two
// milliseconds: one holder of one such token, a few hundred times a second, is enough for every
// other request to run into the time-out and be refused.
test.each<[string, Partial<Uses>, (i: number) => Requester]>([
  ['one who is known', { max: 1000 }, () => from(0)],
  ['strangers, where all uses are taken', { max: 1000 }, (i) => from(5000 + i)],
  ['new ones, who bring no cookie', { cookieOnly: true }, from],
])('what a use costs Redis does not grow with the requesters: %s', async (_, uses, next) => {
  const few = await issue({ ...uses, max: 1 });
  await store.redeem(few, from(0), true);
  const usual = await costOf(few, () => from(0));

  const many = await issue(uses);
  for (let i = 0; i < 1000; i += 1) await store.redeem(many, from(i), true);
  expect((await costOf(many, next)) / usual).toBeLessThan(15);
});

test('a revocation that broke off leaves no grant that lives and is not listed', async () => {
  const subject = newId();
  const id = newId();
  await store.issue([[id, grantAt(Date.now(), { subject })]]);
  // As it is when Redis fails between the cut and the end, or the process is killed there.
  await tell(
    redis,
    `RENAME postern:subject:{web:${subject}} postern:subject:{web:${subject}}:revoked`,
  );
  expect(await store.find(id)).toBeDefined();
  expect((await store.list('web', subject, 10)).entries.map(([listed]) => listed)).toEqual([id]);
});

test('a second page is shown where Redis is full, as the first one is', async () => {
  const subject = newId();
  const grant = grantAt(Date.now(), { subject });
  await store.issue([newId(), newId(), newId()].map((id) => [id, grant]));
  const { next } = await store.list('web', subject, 2);
  await tell(redis, 'CONFIG SET maxmemory 1');
  try {
    expect((await store.list('web', subject, 2)).entries).toHaveLength(2);
    expect((await store.list('web', subject, 2, next)).entries).toHaveLength(1);
  } finally {
    await tell(redis, 'CONFIG SET maxmemory 0');
  }
});

// The first has no limit of uses left in it, and neither is one that this program writes.
test.each([
  ['"n":false,"o":60', 'a limit that is no number'],
  ['"n":1.5,"o":60', 'a limit that is no whole number'],
  ['"b":1', 'what tells requesters apart, but not for how long'],
  ['"q":[[1800000000000,"xxxxxxxxxxxxxxxxxxxxxx"]]', 'requesters, but no uses'],
  ['"a":1800000000000', 'an end of admission, but no uses'],
])('a damaged record opens nothing: %s, %s', async (fields) => {
  const id = newId();
  const record = `{"v":2,"c":"web","m":"/d/","p":"/d/a","i":1,"x":1900000000000,${fields}}`;
  await tell(redis, `SET postern:grant:${id} '${record}' EX 60`);
  await expect(store.find(id)).rejects.toThrow(StoreUnavailable);
});

test('a use that Redis counts too late is not lost to whom it was refused', async () => {
  const hasty = await openRedis(redis, { timeoutMs: 100 });
  const id = await issue({ max: 1, cookieOnly: true });
  redis.pause();
  const refused = hasty.redeem(id, from(1), true);
  await expect(refused).rejects.toThrow(StoreUnavailable);
  redis.resume();
  // Nobody got the file, nor the cookie.
  expect(await hasty.redeem(id, from(1), true)).toBe('new');
  await hasty.close();
});
