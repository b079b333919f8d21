import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { SLOTS, slotOf } from '../../service/store/connection/ioredis.ts';
import type { Grant } from '../../service/token/grant.ts';
import { type Found, type Store, StoreUnavailable } from '../../service/token/store.ts';
import { ask, type Redis } from '../harness/redis.ts';
import { type ClusterOptions, startRedisCluster } from '../harness/redis-cluster.ts';
import { waitFor } from '../harness/wait.ts';
import { sent } from '../store/contract-delivered.ts';
import { forTest } from '../support/for-test.ts';
import { grantAt, issueTo, newId } from '../support/store/grants.ts';
import {
  answers,
  expectOneReconnection,
  observerOf,
  storeAt,
  tell,
  whyOf,
} from '../support/store/open-redis.ts';

const grantKey = (id: string) => `postern:grant:{${id}}`;

/** Which master of test/harness/redis-cluster.ts has the grant: the first is 0. */
const masterOf = (id: string) =>
  [1, 2].filter((part) => slotOf(grantKey(id)) >= Math.floor((part * SLOTS) / 3)).length;

const isOfFirst = (id: string) => masterOf(id) === 0;

function openedAt(url: string, timeoutMs = 1_000) {
  const seen = { redirections: 0 };
  const observer = observerOf({
    redirected() {
      seen.redirections += 1;
    },
  });
  return { ...storeAt(url, { timeoutMs, observer }), seen };
}

async function started(options: ClusterOptions = {}) {
  const cluster = await forTest(startRedisCluster(options));
  const [first] = cluster.masters as [Redis];
  const opened = openedAt(cluster.url);
  await answers(opened.store);
  return { cluster, first, ...opened };
}

async function isLost(states: readonly string[]): Promise<void> {
  await expect.poll(() => states.at(-1), { message: 'the loss' }).toMatch(/^down/);
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
  const of = (is: (outcome: PromiseSettledResult<Found>) => boolean) =>
    ids.filter((_, i) => is(found[i] as PromiseSettledResult<Found>));
  return {
    found: of((outcome) => outcome.status === 'fulfilled' && outcome.value.grant !== undefined),
    absent: of((outcome) => outcome.status === 'fulfilled' && outcome.value.grant === undefined),
    failed: of((outcome) => {
      return outcome.status === 'rejected' && outcome.reason instanceof StoreUnavailable;
    }),
  };
}

test.each(['is killed', 'hangs'])(
  'Cluster: if a master %s, only its own tokens fail, and delivery reports of the others are counted',
  async (what) => {
    const args = ['--cluster-require-full-coverage', 'no'];
    const { first, store, states } = await started({ replicas: 0, args });
    const ids = await issued(store, 300, { maxBytes: 100 });
    if (what === 'is killed') {
      process.kill(first.pid, 'SIGKILL');
      await isLost(states);
      await expect(store.check()).rejects.toThrow(StoreUnavailable);
    } else first.pause();
    const others = ids.filter((id) => !isOfFirst(id));
    const failed = ids.filter(isOfFirst);
    expect(await outcomes(store, ids)).toEqual({ found: others, absent: [], failed });
    const reports = ids.map((id) => [id, sent([0, 100])] as const);
    const { added, unsent, lost } = await store.addDelivered(reports);
    expect(added.map(({ id }) => id).sort()).toEqual([...others].sort());
    expect([...unsent, ...lost].map(([id]) => id).sort()).toEqual([...failed].sort());
    const found = await Promise.all(others.map((id) => store.find(id)));
    expect(found.every(({ grant }) => grant?.exhausted)).toBe(true);
    if (what === 'is killed') return;
    first.resume();
    await expect.poll(async () => (await outcomes(store, ids)).failed.length).toBe(0);
  },
);

test.each(['is killed', 'hangs'])('Cluster: if a master %s, its replica answers', async (what) => {
  const { cluster, first, store, states } = await started();
  const ids = await issued(store);
  for (const replica of cluster.replicas) {
    await expect.poll(() => ask(replica.port, 'INFO replication')).toContain('link_status:up');
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
  if (what === 'hangs') first.pause();
  else process.kill(first.pid, 'SIGKILL');
  await isLost(states);
  await expect.poll(() => states.at(-1), { message: 'the replica', timeout: 30_000 }).toBe('up');
  expect(await outcomes(store, ids)).toEqual({ found: ids, absent: [], failed: [] });
  for (const id of ids) expect(await store.revoke(id, 'web')).toBe(true);
  if (what === 'hangs') {
    // It brings back no revoked token.
    first.resume();
    const follows = async () => {
      expect((await outcomes(store, ids)).found).toEqual([]);
      return (await ask(first.port, 'ROLE'))?.includes('slave');
    };
    await waitFor(follows, { what: 'the old master to follow', deadline: 30_000 });
  }
  expect((await outcomes(store, ids)).absent).toEqual(ids);
  await expectOneReconnection(states, [...cluster.masters, ...cluster.replicas], 3);
});

test('Cluster: after a planned failover, the new master is asked without an error of the old one', async () => {
  const cluster = await forTest(startRedisCluster());
  const { store } = openedAt(cluster.url, 5_000);
  await answers(store);
  const ids = await issued(store);
  const resultOf = async (id: string, i: number) => {
    try {
      return i % 2 ? await store.revoke(id, 'web') : (await store.find(id)).grant !== undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  for (const [i, replica] of cluster.replicas.entries()) {
    const port = cluster.masters[i]?.port ?? 0;
    await tell(replica, 'CLUSTER FAILOVER');
    await expect.poll(() => ask(port, 'ROLE'), { message: 'the replica' }).toContain('slave');
    const results = await Promise.all(ids.filter((id) => masterOf(id) === i).map(resultOf));
    const others = results.filter((result) => result !== true);
    // Postern waits for a new master for a quarter of a second. A busy machine can need longer, but not three times.
    for (const other of others) expect(other).toContain('No master of the cluster is known');
    if (others.length === 0) return;
  }
  expect.fail('no failover without an error');
});

test('Cluster: a master that has lost its replica denies look-ups of its own tokens, until it is back', async () => {
  const args = ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '2'];
  const { cluster, store } = await started({ args });
  const ids = await issued(store);
  cluster.replicas[0]?.pause();
  await expect.poll(() => whyOf(store), { message: 'the fence' }).toContain('NOREPLICAS');
  const [others, failed] = [ids.filter((id) => !isOfFirst(id)), ids.filter(isOfFirst)];
  expect(await outcomes(store, ids)).toEqual({ found: others, absent: [], failed });
  cluster.replicas[0]?.resume();
  await answers(store);
  expect((await outcomes(store, ids)).found).toEqual(ids);
});

test('Cluster: while all masters are gone, no reply of a replica is used', async () => {
  const { cluster, store } = await started();
  const ids = await issued(store);
  await Promise.all(cluster.masters.map((master) => master.kill()));
  // Until then, the replicas answer their readers.
  const isDown = async () => {
    expect(await outcomes(store, ids)).toEqual({ found: [], absent: [], failed: ids });
    return (await ask(cluster.replicas[0]?.port ?? 0, 'CLUSTER INFO'))?.includes('state:fail');
  };
  await waitFor(isDown, { what: 'the cluster to be down' });
});

const nodes = await startRedisCluster({ replicas: 0 });
afterAll(nodes.stop);

test('Cluster: the slots of keys are those that Redis computes', async () => {
  const [first] = nodes.masters as [Redis];
  for (const key of ['postern:grant:{abc}', 'a{}b', '{a}}', 'é{ü}ß', 'plain', '}{']) {
    expect(await tell(first, `CLUSTER KEYSLOT "${key}"`), key).toBe(`:${slotOf(key)}`);
  }
});

async function opened() {
  const { store, seen } = openedAt(nodes.url, 5_000);
  await answers(store);
  return { store, seen };
}

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
  const { store, seen } = await opened();
  const subject = newId();
  const ids = await issued(store, 60, { subject });
  const id = ids.find(isOfFirst) ?? '';
  const all = async () => expect((await outcomes(store, ids)).found).toEqual(ids);
  const moving = await move(grantKey(id), nodes.masters);
  await all();
  expect((await store.find(newId())).grant).toBeUndefined();
  await moving.moveKey(grantKey(id));
  await all();
  expect(seen.redirections).toBeGreaterThan(0);
  expect(await store.find(id, 'timed')).toMatchObject({ grant: { subject } });
  // Its requesters would have the other key of the script, which Redis cannot find yet.
  await expect(store.revoke(id, 'web')).rejects.toMatchObject({
    shown: 'A slot of the cluster is being moved',
  });
  // A revocation before the first use has one key.
  let external = newId();
  while (slotOf(grantKey(external)) !== slotOf(grantKey(id))) external = newId();
  await store.revokeExternal(external, Date.now() + 60_000);
  expect(await store.find(external)).toEqual({ isRevoked: true });
  await all();
  await moving.finish();
  await all();
  expect(await store.prolong(id, 'web', Date.now() + 500_000)).toBeDefined();
  expect(await store.revoke(id, 'web')).toBe(true);
  expect((await store.find(id)).grant).toBeUndefined();
  expect(await store.revokeAll('web', { subject })).toBe(ids.length - 1);
  expect((await outcomes(store, ids)).absent).toEqual(ids);
});

test('Cluster: revoking a subject ends grants in a slot that moves', async () => {
  const { store } = await opened();
  const subject = newId();
  const ids = await issued(store, 60, { subject });
  const id = ids.find(isOfFirst) ?? '';
  const moving = await move(grantKey(id), nodes.masters);
  await moving.moveKey(grantKey(id));
  expect(await store.revokeAll('web', { subject })).toBe(ids.length);
  expect((await outcomes(store, ids)).absent).toEqual(ids);
  await moving.finish();
  expect((await outcomes(store, ids)).absent).toEqual(ids);
});

test('Cluster: no token is issued if an index cannot be written', async () => {
  const { store } = await opened();
  const index = 'postern:subject:{web:broken}';
  const slot = slotOf(index);
  const owner = nodes.masters.findLast((_, i) => slot >= Math.floor((i * SLOTS) / 3)) as Redis;
  await tell(owner, `SET ${index} x`);
  await expect(issueTo(store, { subject: 'broken' })).rejects.toThrow(StoreUnavailable);
  await expect(store.revokeAll('web', { subject: 'broken' })).rejects.toThrow(StoreUnavailable);
});

test('Cluster: a key of another type is no grant, and other look-ups work', async () => {
  const [first] = nodes.masters as [Redis];
  const { store } = await opened();
  const ids = await issued(store);
  const wrong = ids.find(isOfFirst) ?? '';
  await tell(first, `DEL ${grantKey(wrong)}`);
  await tell(first, `LPUSH ${grantKey(wrong)} x`);
  const rest = ids.filter((id) => id !== wrong);
  expect(await outcomes(store, ids)).toEqual({ found: rest, absent: [wrong], failed: [] });
});

test('Cluster: check fails while one master takes no write', async () => {
  const [, second] = nodes.masters as [Redis, Redis];
  const { store } = await opened();
  await tell(second, 'CONFIG SET maxmemory 1');
  expect(await whyOf(store)).toMatch(/out of memory \(OOM to SET\)/);
  await expect(store.check()).rejects.toMatchObject({
    health: { store: 'cluster', masters: 3, answering: 2, replicas: 0, wanted: 0 },
  });
  await tell(second, 'CONFIG SET maxmemory 0');
  await store.check();
});

test.each([
  ['one master', 1],
  ['all masters', 3],
])('Cluster: lost connections to %s fail no look-up', async (_, count) => {
  const { store } = await opened();
  const ids = await issued(store, 30);
  const looked: Array<Promise<string>> = [];
  for (let i = 0; i < 300; i += 1) {
    if (i === 100) {
      await Promise.all(
        nodes.masters.slice(0, count).map((redis) => tell(redis, 'CLIENT KILL TYPE normal')),
      );
    }
    const found =
      i % 2 === 0 ? store.find(ids[i % 30] ?? '') : store.find(ids[i % 30] ?? '', 'timed');
    looked.push(
      found.then(
        ({ grant }) => (grant === undefined ? 'not found' : 'found'),
        ({ message }: Error) => message,
      ),
    );
    await turn();
  }
  const outcomes = await Promise.all(looked);
  expect(outcomes.filter((outcome) => outcome !== 'found')).toEqual([]);
});
