import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createMetrics } from '../../service/metrics/metrics.ts';
import { createCollector, createDeliver } from '../../service/sent/collect.ts';
import { SLOTS, slotOf } from '../../service/store/connection/library.ts';
import type { Grant } from '../../service/token/grant.ts';
import { type Store, StoreUnavailable } from '../../service/token/store.ts';
import { ask, type Redis, startRedis } from '../harness/redis.ts';
import { type ClusterOptions, startRedisCluster } from '../harness/redis-cluster.ts';
import { waitFor } from '../harness/wait.ts';
import { grantAt, issueTo, newId } from '../store/grants.ts';
import { answers, observerOf, storeAt, tell, whyOf } from '../store/open-redis.ts';
import { forTest } from '../support/for-test.ts';
import { samplesOf } from '../support/samples.ts';
import { recorder } from '../webhooks/receiver.ts';

const grantKey = (id: string) => `postern:grant:{${id}}`;

/** Of the first master and the others, as test/harness/redis-cluster.ts gives them. */
const isOfFirst = (id: string) => slotOf(grantKey(id)) < Math.floor(SLOTS / 3);

function openedAt(url: string, timeoutMs = 250) {
  const seen = { failovers: 0, redirections: 0 };
  const observer = observerOf({
    failedOver(seconds) {
      seen.failovers += seconds > 0 ? 1 : 0;
    },
    redirected() {
      seen.redirections += 1;
    },
  });
  return { ...storeAt(url, { timeoutMs, observer }), seen };
}

async function started(options: ClusterOptions = {}, timeoutMs?: number) {
  const cluster = await forTest(startRedisCluster(options));
  const [first, second] = cluster.masters as [Redis, Redis];
  const opened = openedAt(cluster.url, timeoutMs);
  await answers(opened.store);
  return { cluster, first, second, ...opened };
}

/** Some masters hold their slots also if another one is lost. */
const NOT_FULL: ClusterOptions = { replicas: 0, args: ['--cluster-require-full-coverage', 'no'] };

async function isLost({ states }: { readonly states: readonly string[] }): Promise<void> {
  await waitFor(() => states.at(-1)?.startsWith('down'), { what: 'the loss' });
}

/** Waits until the replica of a lost master has taken over. */
async function isReplaced(store: { readonly states: readonly string[] }): Promise<void> {
  await isLost(store);
  await waitFor(() => store.states.at(-1) === 'up', { what: 'the replica', deadline: 30_000 });
}

/** Grants on all masters. */
async function issued(store: Store, count = 60, more: Partial<Grant> = {}): Promise<string[]> {
  const grant = () => grantAt(Date.now(), { expiresAt: Date.now() + 600_000, ...more });
  const entries = Array.from({ length: count }, () => [newId(), grant()] as const);
  await store.issue(entries);
  return entries.map(([id]) => id);
}

/** Look-ups of one turn: what was found, and what failed. */
async function outcomes(store: Store, ids: readonly string[]) {
  const found = await Promise.allSettled(ids.map((id) => store.find(id)));
  const of = (is: (outcome: PromiseSettledResult<unknown>) => boolean) =>
    ids.filter((_, i) => is(found[i] as PromiseSettledResult<unknown>));
  return {
    found: of((outcome) => outcome.status === 'fulfilled' && outcome.value !== undefined),
    absent: of((outcome) => outcome.status === 'fulfilled' && outcome.value === undefined),
    failed: of((outcome) => {
      return outcome.status === 'rejected' && outcome.reason instanceof StoreUnavailable;
    }),
  };
}

test('Cluster: a master that is lost takes its tokens with it, and no others', async () => {
  const { first, store, states } = await started(NOT_FULL);
  const ids = await issued(store);
  process.kill(first.pid, 'SIGKILL');
  await isLost({ states });
  await expect(store.check()).rejects.toThrow(StoreUnavailable);
  const { found, absent, failed } = await outcomes(store, ids);
  expect(failed).toEqual(ids.filter(isOfFirst));
  expect(found).toEqual(ids.filter((id) => !isOfFirst(id)));
  expect(absent).toEqual([]);
  const began = performance.now();
  for (const id of failed) await expect(store.find(id)).rejects.toThrow(StoreUnavailable);
  expect(performance.now() - began).toBeLessThan(failed.length * 100);
});

/** A line of nginx for each token, through the collector: what became of them, and what was reported. */
async function reported(store: Store, ids: readonly string[]) {
  const { measuredStore, text, countLines } = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  const { emit, events } = recorder();
  const bytes = new Map<string, number>();
  const deliver = createDeliver({
    store: measuredStore(store),
    recordBytes: (counted) => void bytes.set(counted.id, counted.bytes),
    emit,
    log: pino({ level: 'silent' }),
  });
  const { receive, close } = createCollector({
    ...{ from: ['127.0.0.1'], deliver, countLines, log: pino({ level: 'silent' }), now: Date.now },
  });
  for (const id of ids) receive(Buffer.from(`<190>x: ${id} 200 100 100 -`), '127.0.0.1');
  await close();
  const samples = samplesOf(await text());
  return {
    lines: (result: string) => samples.get(`postern_delivery_lines_total{result="${result}"}`),
    errors: samples.get('postern_store_errors_total{operation="add_delivered"}'),
    bytes: [...bytes.keys()].sort(),
    events: events.map(({ data }) => data.token_id).sort(),
  };
}

test.each(['is killed', 'hangs'])(
  'Cluster: if a master %s, delivery reports of the tokens of other masters are counted',
  async (what) => {
    const { first, store, states } = await started(NOT_FULL);
    const ids = await issued(store, 300, { maxBytes: 100 });
    if (what === 'is killed') {
      process.kill(first.pid, 'SIGKILL');
      await isLost({ states });
    } else first.pause();
    const others = ids.filter((id) => !isOfFirst(id)).sort();
    const { lines, errors, bytes, events } = await reported(store, ids);
    expect([bytes, events]).toEqual([others, others]);
    expect([lines('counted'), lines('unknown')]).toEqual([others.length, 0]);
    expect([lines('dropped'), errors]).toEqual([ids.length - others.length, 1]);
    const found = await Promise.all(others.map((id) => store.find(id)));
    expect(found.every((grant) => grant?.exhausted)).toBe(true);
  },
);

test('Cluster: after a master was killed, its replica answers', async () => {
  const { cluster, first, store, states, seen } = await started();
  const ids = await issued(store);
  for (const replica of cluster.replicas) {
    const isUp = async () =>
      (await ask(replica.port, 'INFO replication'))?.includes('link_status:up');
    await waitFor(isUp, { what: 'the replica to follow' });
  }
  await waitFor(
    async () => {
      const sizes = await Promise.all(
        [...cluster.masters, ...cluster.replicas].map(async ({ port }) => {
          return ((await ask(port, 'KEYS postern:grant:*')) ?? '').split('\r\n')[0];
        }),
      );
      return sizes.slice(0, 3).join() === sizes.slice(3).join();
    },
    { what: 'the replicas to have the grants' },
  );
  process.kill(first.pid, 'SIGKILL');
  await isReplaced({ states });
  expect(seen.failovers).toBe(1);
  expect(await outcomes(store, ids)).toEqual({ found: ids, absent: [], failed: [] });
  for (const id of ids) expect(await store.revoke(id, 'web')).toBe(true);
  expect((await outcomes(store, ids)).absent).toEqual(ids);
});

test('Cluster: a master that hung and continues brings back no revoked token', async () => {
  const { first, store, states } = await started();
  const ids = (await issued(store)).filter(isOfFirst);
  const has = async () => {
    return ((await ask(first.port, 'INFO replication')) ?? '').includes('state=online,offset');
  };
  await waitFor(has, { what: 'its replica' });
  first.pause();
  await isReplaced({ states });
  for (const id of ids) await store.revoke(id, 'web');
  first.resume();
  const isReplica = async () => {
    expect((await outcomes(store, ids)).found).toEqual([]);
    return (await ask(first.port, 'ROLE'))?.includes('slave');
  };
  await waitFor(isReplica, { what: 'the old master to follow', deadline: 30_000 });
  expect((await outcomes(store, ids)).absent).toEqual(ids);
});

test('Cluster: connections that are closed are made again', async () => {
  const { cluster, store } = await started({ replicas: 0 });
  const ids = await issued(store);
  for (const master of cluster.masters) await tell(master, 'CLIENT KILL TYPE normal');
  await waitFor(async () => (await outcomes(store, ids)).found.length === ids.length, {
    what: 'the connections',
  });
});

/** Moves the slot of a key, in steps, as redis-cli does. */
async function move(key: string, [from, to, third]: readonly Redis[]) {
  if (!from || !to || !third) throw new Error('there are three masters');
  const slot = slotOf(key);
  const [fromId, toId] = await Promise.all(
    [from, to].map(async (node) => (await tell(node, 'CLUSTER MYID')).split('\r\n')[1]),
  );
  await tell(to, `CLUSTER SETSLOT ${slot} IMPORTING ${fromId}`);
  await tell(from, `CLUSTER SETSLOT ${slot} MIGRATING ${toId}`);
  return {
    moveKey: (name: string) => tell(from, `MIGRATE 127.0.0.1 ${to.port} ${name} 0 5000`),
    async finish() {
      for (const node of [to, from, third]) {
        await tell(node, `CLUSTER SETSLOT ${slot} NODE ${toId}`);
      }
    },
  };
}

test('Cluster: a slot that moves is followed, at each step', async () => {
  const { cluster, store, seen } = await started({ replicas: 0 }, 5_000);
  const subject = newId();
  const ids = await issued(store, 60, { subject });
  const id = ids.find(isOfFirst) ?? '';
  const all = async () => expect((await outcomes(store, ids)).found).toEqual(ids);
  const moving = await move(grantKey(id), cluster.masters);
  await all();
  expect(await store.find(newId())).toBeUndefined();
  await moving.moveKey(grantKey(id));
  await all();
  expect(seen.redirections).toBeGreaterThan(0);
  expect(await store.findTimed(id)).toMatchObject({ grant: { subject } });
  // Its requesters would have the other key of the script, which Redis cannot find yet.
  await expect(store.revoke(id, 'web')).rejects.toMatchObject({
    shown: 'A slot of the cluster is being moved',
  });
  // A revocation before the first use has one key.
  let external = newId();
  while (slotOf(grantKey(external)) !== slotOf(grantKey(id))) external = newId();
  await store.revokeExternal(external);
  expect(await store.findExternal(external)).toBe('revoked');
  await all();
  await moving.finish();
  await all();
  expect(await store.prolong(id, 'web', Date.now() + 500_000)).toBeDefined();
  expect(await store.revoke(id, 'web')).toBe(true);
  expect(await store.find(id)).toBeUndefined();
  expect(await store.revokeSubject('web', subject)).toBe(ids.length - 1);
  expect((await outcomes(store, ids)).absent).toEqual(ids);
});

test('Cluster: revoking a subject ends grants in a slot that moves', async () => {
  const { cluster, store } = await started({ replicas: 0 }, 5_000);
  const subject = newId();
  const ids = await issued(store, 60, { subject });
  const id = ids.find(isOfFirst) ?? '';
  const moving = await move(grantKey(id), cluster.masters);
  await moving.moveKey(grantKey(id));
  expect(await store.revokeSubject('web', subject)).toBe(ids.length);
  expect((await outcomes(store, ids)).absent).toEqual(ids);
  await moving.finish();
  expect((await outcomes(store, ids)).absent).toEqual(ids);
});

test('Cluster: no token is issued if an index cannot be written', async () => {
  const { cluster, store } = await started({ replicas: 0 });
  const index = 'postern:subject:{web:broken}';
  const slot = slotOf(index);
  const owner = cluster.masters.findLast((_, i) => slot >= Math.floor((i * SLOTS) / 3)) as Redis;
  await tell(owner, `SET ${index} x`);
  await expect(issueTo(store, { subject: 'broken' })).rejects.toThrow(StoreUnavailable);
  await expect(store.revokeSubject('web', 'broken')).rejects.toThrow(StoreUnavailable);
});

test('Cluster: a key of another type is no grant, and other look-ups work', async () => {
  const { first, store } = await started({ replicas: 0 });
  const ids = await issued(store);
  const wrong = ids.find(isOfFirst) ?? '';
  await tell(first, `DEL ${grantKey(wrong)}`);
  await tell(first, `LPUSH ${grantKey(wrong)} x`);
  const rest = ids.filter((id) => id !== wrong);
  expect(await outcomes(store, ids)).toEqual({ found: rest, absent: [wrong], failed: [] });
});

test('Cluster: a master that hangs fails its own look-ups in time', async () => {
  const { first, store } = await started({ replicas: 0 });
  const ids = await issued(store);
  first.pause();
  const began = performance.now();
  const { found, absent, failed } = await outcomes(store, ids);
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(failed).toEqual(ids.filter(isOfFirst));
  expect(found).toEqual(ids.filter((id) => !isOfFirst(id)));
  expect(absent).toEqual([]);
  first.resume();
  await waitFor(async () => (await outcomes(store, ids)).found.length === ids.length, {
    what: 'the master to answer again',
  });
});

test('Cluster: check fails while one master takes no write', async () => {
  const { second, store } = await started({ replicas: 0 });
  await tell(second, 'CONFIG SET maxmemory 1');
  expect(await whyOf(store)).toMatch(/out of memory \(OOM to SET\)/);
  await expect(store.check()).rejects.toMatchObject({
    health: { store: 'cluster', masters: 3, answering: 2, replicas: 0, wanted: 0 },
  });
  await tell(second, 'CONFIG SET maxmemory 0');
  await store.check();
});

test('Cluster: a server that is not a node of a cluster is reported', async () => {
  const redis = await forTest(startRedis());
  const { store, states } = openedAt(
    redis.url.replace('redis://', 'redis+cluster://').replace('/0', ''),
  );
  await waitFor(() => states.some((state) => state.includes('not a node of a cluster')), {
    what: 'the reason',
  });
  await expect(store.check()).rejects.toMatchObject({
    shown: expect.stringContaining('use redis://'),
  });
});

test('Cluster: a wrong password is reported', async () => {
  const password = 'pa55word';
  const args = ['--cluster-enabled', 'yes', '--requirepass', 'another'];
  const { port } = await forTest(startRedis({ args }));
  const { states } = openedAt(`redis+cluster://:${password}@127.0.0.1:${port}`);
  await waitFor(() => states.some((state) => state.includes('WRONGPASS')), { what: 'the reason' });
  await turn();
  expect(states.join('\n')).not.toMatch(/pa55word|127\.0\.0\.1/);
});

test.each([
  ['one master', 1],
  ['all masters', 3],
])('Cluster: lost connections to %s fail no look-up', async (_, count) => {
  const { cluster, store } = await started({ replicas: 0 }, 5_000);
  const ids = await issued(store, 30);
  const looked: Array<Promise<string>> = [];
  for (let i = 0; i < 300; i += 1) {
    if (i === 100) {
      await Promise.all(
        cluster.masters.slice(0, count).map((redis) => tell(redis, 'CLIENT KILL TYPE normal')),
      );
    }
    const found = i % 2 === 0 ? store.find(ids[i % 30] ?? '') : store.findTimed(ids[i % 30] ?? '');
    looked.push(
      found.then(
        (grant) => (grant === undefined ? 'not found' : 'found'),
        ({ message }: Error) => message,
      ),
    );
    await turn();
  }
  const outcomes = await Promise.all(looked);
  expect(outcomes.filter((outcome) => outcome !== 'found')).toEqual([]);
});
