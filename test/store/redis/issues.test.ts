import { afterAll, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../service/store/connection/server.ts';
import type { Commands } from '../../../service/store/redis/commands.ts';
import { createIssues } from '../../../service/store/redis/grants.ts';
import { createKeys } from '../../../service/store/redis/record.ts';
import type { Replicas } from '../../../service/store/redis/replicas.ts';
import { type Entry, StoreUnavailable } from '../../../service/token/store.ts';
import { ask, type Redis, startRedis } from '../../harness/redis.ts';
import { grantAt, issueTo, newId } from '../../support/store/grants.ts';
import { answers, startStore, tell } from '../../support/store/open-redis.ts';

const entryOf = (more: Parameters<typeof grantAt>[1] = {}): Entry => [
  newId(),
  grantAt(Date.now(), more),
];

/** How often Redis ran a command since CONFIG RESETSTAT, without those that it refused. */
async function callsOf(redis: Redis, command: string): Promise<number> {
  const stats = await tell(redis, 'INFO commandstats');
  const [, calls = 0] = new RegExp(`^cmdstat_${command}:calls=(\\d+),`, 'm').exec(stats) ?? [];
  return Number(calls);
}

/** A store whose next commands all come from the test. Redis has the script. */
async function quietStore() {
  const { redis, store } = await startStore({ checkEveryMs: 3_600_000 });
  await store.issue([entryOf()]);
  await tell(redis, 'CONFIG RESETSTAT');
  return { redis, store };
}

test('issue: the requests of one turn are one command, and a broken index fails only the requests that need it', async () => {
  const { redis, store } = await quietStore();
  await tell(redis, 'SET postern:client:{broken} x');
  await tell(redis, 'SET "postern:subject:{shared:broken}" x');
  const good = [{ client: 'one' }, { client: 'two' }, { client: 'shared', subject: 'whole' }];
  const bad = [{ client: 'broken' }, { client: 'shared', subject: 'broken' }];
  const requests = [good[0], bad[0], good[1], bad[1], good[2]].map((more) => [entryOf(more)]);
  // All or none of a batch: its first grant has no broken index.
  requests.push([entryOf({ client: 'shared', covers: '/download/batch' }), entryOf(bad[1])]);
  const done = await Promise.allSettled(requests.map((request) => store.issue(request)));

  expect(await callsOf(redis, 'eval')).toBe(1);
  expect(done.map(({ status }) => status)).toEqual([
    ...['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled', 'rejected'],
  ]);
  const errors = done.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  for (const error of errors) expect(error).toBeInstanceOf(StoreUnavailable);
  expect(new Set(errors).size).toBe(errors.length);
  expect(JSON.stringify(errors.map(({ message }) => message))).not.toMatch(
    /shared|broken|postern:/,
  );
  for (const [i, request] of requests.entries()) {
    const found = await Promise.all(request.map(([id]) => store.find(id)));
    const isStored = done[i]?.status === 'fulfilled';
    expect(found).toEqual(request.map(([, grant]) => (isStored ? { grant } : {})));
  }
  for (const client of ['one', 'two', 'shared']) {
    const { entries } = await store.list(client, {}, 10);
    expect(entries).toHaveLength(1);
  }
  expect(await store.revokeAll('shared', { subject: 'whole' })).toBe(1);
  const broken = { subject: 'broken' };
  await expect(store.list('shared', broken, 10)).rejects.toThrow(StoreUnavailable);
  await expect(store.revokeAll('shared', broken)).rejects.toThrow(StoreUnavailable);
});

test('issue: a command has a maximum number of grants, and removes a maximum number of ended entries', async () => {
  const { redis, store } = await quietStore();
  const ended = Array.from({ length: 900 }, (_, i) => `1 ended-${i}`).join(' ');
  for (const client of ['web', 'other'])
    await tell(redis, `ZADD postern:client:{${client}} ${ended}`);
  await Promise.all([store.issue([entryOf()]), store.issue([entryOf({ client: 'other' })])]);
  const counts = await Promise.all(
    ['web', 'other'].map((client) => tell(redis, `ZCOUNT postern:client:{${client}} 1 1`)),
  );
  const left = counts.map((count) => Number(count.slice(1))).reduce((sum, count) => sum + count);
  expect(left).toBe(800);

  // At most 70 small grants are in one command, or two of 10,000 bytes.
  for (const [count, path, most] of [
    [200, 'a', 70],
    [20, 'a'.repeat(10_000), 2],
  ] as const) {
    await tell(redis, 'CONFIG RESETSTAT');
    const requests = Array.from({ length: count }, () => [entryOf({ filename: path })]);
    await Promise.all(requests.map((request) => store.issue(request)));
    const commands = await callsOf(redis, 'eval');
    expect(commands).toBeGreaterThanOrEqual(count / most);
    expect(commands).toBeLessThan(count / 2 + 1);
    for (const [[id] = ['']] of requests) expect((await store.find(id)).grant).toBeDefined();
  }
});

test('issue: a server that became a replica is refused at once, until it is promoted', async () => {
  const { redis, store } = await quietStore();
  const master = await startRedis();
  await ask(redis.port, `REPLICAOF 127.0.0.1 ${master.port}`, 5_000);
  await expect(store.issue([entryOf(), entryOf()])).rejects.toThrow(/READONLY/);
  await expect(store.find(newId())).rejects.toThrow(/READONLY/);
  await tell(redis, 'REPLICAOF NO ONE');
  await answers(store);
  expect((await store.find(newId())).grant).toBeUndefined();
  await master.stop();
});

const { redis, store } = await startStore({}, afterAll);

test('Redis records: one that is not readable is an error, not a missing grant, and is not changed', async () => {
  const id = newId();
  const key = `postern:grant:{${id}}`;
  const record = '{"v":1,"c":"web"';
  await tell(redis, `SET ${key} '${record}' EX 60`);
  await expect(store.find(id)).rejects.toThrow(StoreUnavailable);
  await expect(store.prolong(id, 'web', Date.now() + 1000)).rejects.toThrow(StoreUnavailable);
  expect(await tell(redis, `GET ${key}`)).toContain(record);
});

test.each(['', 'yes', '{"v":1}', 'NaN'])(
  'Redis records: %j instead of the time of a revocation ends the tokens of the subject',
  async (value) => {
    const subjectId = newId();
    await tell(redis, `SET postern:signed:{${subjectId}} '${value}' EX 60`);
    const signed = { subjectId, issuedAt: Date.now() };
    expect(await store.find(newId(), signed)).toEqual({ isRevoked: true });
  },
);

test('Redis records: a key of another type allows nothing and is not changed', async () => {
  const id = newId();
  await tell(redis, `LPUSH postern:grant:{${id}} x`);
  expect((await store.find(id)).grant).toBeUndefined();
  await expect(store.revoke(id, 'web')).rejects.toThrow(StoreUnavailable);
  await expect(store.prolong(id, 'web', Date.now() + 1000)).rejects.toThrow(StoreUnavailable);
  expect(await tell(redis, `TYPE postern:grant:{${id}}`)).toContain('list');
});

test('Redis records: a grant is not prolonged if its index cannot be updated', async () => {
  const id = await issueTo(store, { subject: 'later broken' });
  const grant = (await store.find(id)).grant;
  await tell(redis, 'SET "postern:subject:{web:later broken}" x');
  await expect(store.prolong(id, 'web', Date.now() + 90_000)).rejects.toThrow(StoreUnavailable);
  expect((await store.find(id)).grant).toEqual(grant);
});

test('prolong: an earlier end is acknowledged again, although another one was acknowledged meanwhile', async () => {
  const connection = connect({ url: redis.url, timeoutMs: 5000 }, async () => {});
  onTestFinished(() => connection.close());
  /** Acknowledgments that the replicas owe. */
  const owed: Array<{ readonly acknowledge: () => void; readonly fail: () => void }> = [];
  const acknowledged: Replicas['acknowledged'] = async (_, operation, isNeeded = () => true) => {
    const result = await operation();
    if (!isNeeded(result)) return result;
    return new Promise((resolve, reject) => {
      owed.push({
        acknowledge: () => resolve(result),
        fail: () => reject(new Error('unacknowledged')),
      });
    });
  };
  const keys = createKeys('postern:');
  const shared = {
    ...{ connection, keys, acknowledged, now: Date.now, replicas: {} },
    run: (script, names, args) =>
      connection.send(names[0] ?? '', (redis) =>
        redis.eval(script, names.length, ...names, ...args),
      ),
  } as Partial<Commands> as Commands;
  const { prolong } = createIssues(shared);

  const now = Date.now();
  const id = await issueTo(store, { expiresAt: now + 600_000 });
  const first = prolong(id, 'web', now + 300_000);
  await expect.poll(() => owed.length).toBe(1);
  const second = prolong(id, 'web', now + 200_000);
  await expect.poll(() => owed.length).toBe(2);
  owed[0]?.acknowledge();
  await first;
  owed[1]?.fail();
  await expect(second).rejects.toThrow('unacknowledged');
  let isDone = false;
  // As the API: from now.
  const again = prolong(id, 'web', Date.now() + 200_000).then(() => {
    isDone = true;
  });
  await expect.poll(() => isDone || owed.length === 3).toBe(true);
  expect(owed).toHaveLength(3);
  owed[2]?.acknowledge();
  await again;
  // On the same connection, so the mark is gone.
  const uses = keys.uses(id);
  expect(await connection.send(uses, (redis) => redis.hget(uses, 'we'))).toBeNull();
});
