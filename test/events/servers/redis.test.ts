import { afterAll, expect, onTestFinished, test } from 'vitest';
import { LEASE_MS, MAX_DEAD_EVENTS, type TakenEvent } from '../../../service/events/event.ts';
import { createRedisEvents } from '../../../service/store/redis/events.ts';
import { StoreUnavailable } from '../../../service/token/store.ts';
import { textOf } from '../../harness/paths.ts';
import { freePorts } from '../../harness/ports.ts';
import { type Redis, startRedis } from '../../harness/redis.ts';
import { keysOf, tell } from '../../support/store/open-redis.ts';
import { event, eventContract } from '../contract.ts';

const open = ({ url }: Redis, prefix = 'postern:') => createRedisEvents({ url, prefix });

const redis = await startRedis();
afterAll(redis.stop);

eventContract('Redis', async () => ({
  open: (prefix) => open(redis, prefix),
  stop: async () => {},
}));

/** A store on a Redis without keys. */
async function started() {
  await tell(redis, 'FLUSHALL');
  const store = open(redis);
  onTestFinished(() => store.close());
  const added = async (events: Parameters<typeof store.add>[0]) => {
    await expect.poll(() => store.add(events).catch(() => undefined)).toBeDefined();
  };
  return { store, added };
}

test('events, Redis: nothing is written while there are no events, and nothing is left of delivered ones', async () => {
  const { store, added } = await started();
  await expect.poll(() => store.take(5).catch(() => undefined)).toBeDefined();
  expect(await keysOf(redis)).toEqual([]);
  await added([event('x')]);
  for (const one of (await store.take(5)).events) {
    await store.settle(one, { kind: 'delivered' });
    // An instance that is late settles it again.
    await store.settle(one, { kind: 'dead', reason: 'status 500' });
  }
  expect((await keysOf(redis)).sort()).toEqual(['postern:{events}', 'postern:{events}:clock']);
  expect(await tell(redis, 'XLEN postern:{events}')).toBe(':0');
  expect(await tell(redis, 'XPENDING postern:{events} postern')).toContain(':0');
});

test('events, Redis: the first events wait for the connection, and fail if there is none', async () => {
  const { store } = await started();
  expect(await Promise.all([store.add([event('x')]), store.take(0)])).toMatchObject([0, {}]);
  const [port = 0] = await freePorts(1);
  const lost = createRedisEvents({ url: `redis://127.0.0.1:${port}/0`, prefix: 'postern:' });
  onTestFinished(() => lost.close());
  await expect(lost.add([event('x')])).rejects.toThrow(StoreUnavailable);
});

test('events, Redis: an event of an instance that is gone is taken when its lease ends', async () => {
  const { store, added } = await started();
  await added([event('x')]);
  const before = Date.now();
  expect((await store.take(1)).events).toHaveLength(1);
  expect((await store.take(1)).events).toEqual([]);
  // The test pretends that the time has passed.
  const [, , , entry] = (await tell(redis, 'ZRANGE postern:{events}:due 0 -1')).split(/\r\n|\$\d+/);
  expect(entry).toMatch(/^\d+-\d+$/);
  const [, due] = (await tell(redis, `ZSCORE postern:{events}:due ${entry}`)).split('\r\n');
  expect(Number(due)).toBeGreaterThanOrEqual(before + LEASE_MS);
  await tell(redis, `ZADD postern:{events}:due 1 ${entry}`);
  expect((await store.take(1)).events).toMatchObject([{ ...event('x'), attempt: 2 }]);
});

test('events, Redis: retries do not wait if the clock of Redis is set back, and no age is negative', async () => {
  const { store } = await started();
  const hour = 3_600_000;
  const dues = ['postern:{events}:due', 'postern:{events}:requesters:due'];
  /** All that Redis has stored is as it would be if its clock had been an hour ahead until now. */
  const setBack = async () => {
    await tell(redis, `INCRBY postern:{events}:clock ${hour}`);
    for (const due of dues) {
      const [entry = ''] = /\d+-\d+/.exec(await tell(redis, `ZRANGE ${due} 0 -1`)) ?? [];
      await tell(redis, `ZINCRBY ${due} ${hour} ${entry}`);
    }
  };
  for (const stream of ['{events}', '{events}:requesters']) {
    await tell(redis, `XADD postern:${stream} ${Date.now() + hour}-0 id msg_1 body {}`);
  }
  const taken = await store.take(5);
  expect(taken).toMatchObject({ oldestMs: 0, events: [{ id: 'msg_1' }, { id: 'msg_1' }] });
  await setBack();
  // Their instance has them, until their leases end.
  expect((await store.take(5)).events).toEqual([]);
  for (const one of taken.events) await store.settle(one, { kind: 'later', afterMs: 2000 });
  await setBack();
  const again: TakenEvent[] = [];
  await expect.poll(async () => again.push(...(await store.take(5)).events)).toBe(2);
  expect(again.map(({ cause, attempt }) => [cause, attempt])).toEqual([
    ['application', 2],
    ['requesters', 2],
  ]);
});

test('events, Redis: dead events are kept with their reason, in a bounded stream', async () => {
  const { store, added } = await started();
  const total = MAX_DEAD_EVENTS + 300;
  let [stored, ended] = [0, 0];
  while (ended < total) {
    await added(Array.from({ length: 100 }, (_, i) => event(stored + i)));
    stored += 100;
    const { events } = await store.take(100);
    const dead = (one: TakenEvent) => store.settle(one, { kind: 'dead', reason: 'status 500' });
    await Promise.all(events.map(dead));
    ended += events.length;
  }
  const [, length] = (await tell(redis, 'XLEN postern:{events}:dead')).split(':');
  expect(Number(length)).toBeGreaterThanOrEqual(MAX_DEAD_EVENTS);
  expect(Number(length)).toBeLessThan(MAX_DEAD_EVENTS + 110);
  const last = await tell(redis, 'XREVRANGE postern:{events}:dead + - COUNT 1');
  for (const text of ['id', 'msg_1', 'body', 'attempts', 'reason', 'status 500']) {
    expect(last).toContain(text);
  }
});

test('events, Redis: after the loss of its data, events are added and taken again', async () => {
  const { store, added } = await started();
  await added([event('x')]);
  expect((await store.take(1)).events).toHaveLength(1);
  await redis.restart();
  await added([event('y')]);
  expect((await store.take(5)).events).toMatchObject([event('y')]);
});

test('docs/operate/redis.md: the rights for events are enough', async () => {
  const page = textOf('docs/operate/redis.md');
  const [, basic = ''] = /^user postern on ><password> ([^`]*)^```$/m.exec(page) ?? [];
  const [, more = ''] = /`(\+xadd [^`]*)`/.exec(page) ?? [];
  expect(more).toContain('+xadd');
  const rights = `${basic} ${more}`.replaceAll(/\s+/g, ' ').trim();
  expect(await tell(redis, `ACL SETUSER events on >a-password ${rights}`)).toBe('+OK');
  const url = redis.url.replace('//', '//events:a-password@');
  const store = createRedisEvents({ url, prefix: 'postern:' });
  onTestFinished(() => store.close());
  await expect.poll(() => store.add([event(1), event(2)]).catch(() => undefined)).toBe(0);
  const [one, two] = (await store.take(5)).events as [TakenEvent, TakenEvent];
  await store.settle(one, { kind: 'dead', reason: 'status 500' });
  await store.settle(two, { kind: 'later', afterMs: 0 });
  const [again] = (await store.take(5)).events as [TakenEvent];
  expect(again.attempt).toBe(2);
  await store.settle(again, { kind: 'delivered' });
});
