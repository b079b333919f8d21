import { afterAll, beforeEach, expect, test } from 'vitest';
import { slotOf } from '../../../service/store/connection/ioredis.ts';
import type { Uses } from '../../../service/token/grant.ts';
import type { Requester } from '../../../service/token/uses.ts';
import { createAsked } from '../../support/ask-api.ts';
import { askApi } from '../../support/ask-service.ts';
import { forTest } from '../../support/for-test.ts';
import { apiListener, createPostern, listening } from '../../support/postern.ts';
import { from, grantAt, issueTo, newId } from '../../support/store/grants.ts';
import { answers, startProxied, startStore, tell } from '../../support/store/open-redis.ts';
import { startCountingProxy } from '../../support/store/proxies.ts';
import { sent } from '../contract-delivered.ts';

const { redis, store } = await startStore({}, afterAll);

const requester = (i: number) => from(`2001:db8:${i.toString(16)}:1::/64`);

const issue = (uses: Partial<Uses>) => issueTo(store, { uses: { resumeFor: 60, ...uses } });

/** Microseconds that Redis needs for one script: the median, which a busy machine hardly changes. */
async function costOf(id: string, next: (i: number) => Requester): Promise<number> {
  await tell(redis, 'CONFIG RESETSTAT');
  for (let i = 0; i < 200; i += 1) await store.redeem(id, next(i), true);
  const stats = await tell(redis, 'INFO latencystats');
  return Number(/latency_percentiles_usec_eval:p50=([\d.]+)/.exec(stats)?.[1]);
}

// Redis runs one script at a time. If a use of a token with a thousand requesters held it for a
// millisecond, a client with one such token could make every other request time out.
test.each<[string, Partial<Uses>, (i: number) => Requester]>([
  ['a known requester', { max: 1000 }, () => requester(0)],
  ['new requesters when no use is left', { max: 1000 }, (i) => requester(5000 + i)],
  ['new requesters without a cookie', { cookieOnly: true }, requester],
])('uses: the time of a use does not grow with the requesters: %s', async (_, uses, next) => {
  const few = await issue({ ...uses, max: 1 });
  await store.redeem(few, requester(0), true);
  const usual = await costOf(few, () => requester(0));

  const many = await issue(uses);
  for (let i = 0; i < 1000; i += 1) await store.redeem(many, requester(i), true);
  expect((await costOf(many, next)) / usual).toBeLessThan(15);
});

const COUNT = 2000;
const BATCH = 100;

/** Bytes for each token in Redis, with its share of the indexes. */
const MOST = 700;

beforeEach(async () => void (await tell(redis, 'FLUSHALL')));

const pathOf = (i: number) => `/download/${i}-`.padEnd(60, 'x');

test.each([1, 100])('Redis: with %i tokens of a subject, each needs < 700 bytes', async (each) => {
  const { ask } = createAsked({ store });
  const subjectOf = (i: number) => `user-${String(Math.floor(i / each)).padStart(6, '0')}`;
  const sizes: number[] = [];
  for (let done = 0; done < COUNT; done += BATCH) {
    const wanted = Array.from({ length: BATCH }, (_, i) => {
      return { path: pathOf(done + i), subject: subjectOf(done + i), expires_in: 3600 };
    });
    const { body: issued } = await ask('POST /tokens/batch', { json: wanted });
    for (let i = 0; i < BATCH; i += 100) {
      const grant = await sizeOf(`postern:grant:{${issued[i].id}}`);
      const subject = await sizeOf(`postern:subject:{test:${subjectOf(done + i)}}`);
      const path = await shareOf(`postern:path:{test:${slotOf(pathOf(done + i))}}`);
      const client = await shareOf('postern:client:{test}');
      sizes.push(grant + subject / each + path + client);
    }
  }
  sizes.sort((a, b) => a - b);
  expect(sizes[sizes.length / 2]).toBeLessThan(MOST);
});

/** Of an index: bytes for each entry. */
async function shareOf(key: string): Promise<number> {
  return (await sizeOf(key)) / Number((await tell(redis, `ZCARD ${key}`)).slice(1));
}

async function sizeOf(key: string): Promise<number> {
  const [, bytes] = /^:(\d+)$/.exec(await tell(redis, `MEMORY USAGE ${key} SAMPLES 0`)) ?? [];
  if (bytes === undefined) throw new Error(`Redis has no ${key}`);
  return Number(bytes);
}

/** The store's own round trips are not counted. */
const counted = () => startProxied(startCountingProxy, { checkEveryMs: 3_600_000 });

test('Redis: issue, find and revoke cost one round trip each', async () => {
  const { proxy, store } = await counted();
  async function turnsOf(what: Promise<unknown>): Promise<number> {
    const before = proxy.turns();
    await what;
    return proxy.turns() - before;
  }
  const id = newId();
  const now = Date.now();
  expect(await turnsOf(issueTo(store))).toBe(1);
  expect(await turnsOf(store.issue([[id, grantAt(now, { subject: 'u' })]]))).toBe(1);
  const many = ['u', 'v', undefined].map((subject) => {
    return [newId(), grantAt(now, subject === undefined ? {} : { subject })] as const;
  });
  expect(await turnsOf(store.issue(many))).toBe(1);
  // Requests that arrive together share a turn.
  const alone = many.map(() => issueTo(store));
  expect(await turnsOf(Promise.all(alone))).toBe(1);
  expect(await turnsOf(store.find(id))).toBe(1);
  expect(await turnsOf(store.find(id, 'timed'))).toBe(1);
  expect(await turnsOf(Promise.all(many.map(([one]) => store.find(one, 'timed'))))).toBe(1);
  const limited = many.map(() => [newId(), grantAt(now, { maxBytes: 1 })] as const);
  await store.issue(limited);
  // A write that may be lost comes first.
  expect(await turnsOf(store.addDelivered(limited.map(([one]) => [one, sent([0, 1])])))).toBe(2);
  // Whether the bytes of a token are used up is part of its record.
  const found = Promise.all(limited.map(([one]) => store.find(one)));
  expect(await turnsOf(found)).toBe(1);
  expect(await found).toMatchObject(limited.map(() => ({ grant: { exhausted: true } })));
  expect(await turnsOf(store.delivered(id))).toBe(1);
  const signed = { subjectId: newId(), issuedAt: now };
  expect(await turnsOf(store.find(newId(), signed))).toBe(1);
  expect(await turnsOf(store.list('web', { subject: 'u' }, 10))).toBe(2);
  expect(await turnsOf(store.prolong(id, 'web', now + 30_000))).toBe(1);
  // Its entries come before a later end.
  expect(await turnsOf(store.prolong(id, 'web', now + 50_000))).toBe(3);
  expect(await turnsOf(store.revoke(id, 'other'))).toBe(1);
  expect(await turnsOf(store.revoke(id, 'web'))).toBe(1);
  // The rename, a page, its grants, its entries, and the empty last page.
  expect(await turnsOf(store.revokeAll('web', { subject: 'v' }))).toBe(5);
});

test('Redis: a use costs one round trip, also the first one and after a restart of Redis', async () => {
  const { redis, proxy, store } = await counted();
  const one = from('192.0.2.1', [newId()]);
  for (const restart of [false, true]) {
    if (restart) {
      await redis.restart();
      await answers(store);
    }
    const id = await issueTo(store, { uses: { max: 1, resumeFor: 60 } });
    for (const redeemed of ['new', 'known']) {
      const before = proxy.turns();
      expect(await store.redeem(id, one, true)).toBe(redeemed);
      expect(proxy.turns() - before).toBe(1);
    }
  }
});

// In pieces, so that Redis and the gate can handle other requests in between.
test('issue: 100 tokens in one request cost at most 5 round trips to Redis', async () => {
  const { redis, proxy, store } = await counted();
  const api = await forTest(listening(apiListener(createPostern({ store }).api)));
  // The first one also sends the script.
  await issueTo(store);
  const wanted = Array.from({ length: 100 }, (_, i) => {
    return { path: `/download/${i}`, subject: `user-${i % 10}`, max_uses: 3 };
  });
  const before = proxy.turns();
  const issued = await askApi({ apiPort: api.port }, 'POST /tokens/batch', { json: wanted });
  expect(proxy.turns() - before).toBeLessThanOrEqual(5);
  expect(issued.status).toBe(201);
  const keys = issued.body.map(({ id }: { id: string }) => `postern:grant:{${id}}`).join(' ');
  expect(await tell(redis, `EXISTS ${keys}`)).toBe(':100');
});
