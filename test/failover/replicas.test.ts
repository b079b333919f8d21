import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, type TestContext, test } from 'vitest';
import type { RedisStoreOptions } from '../../service/store/connection/connection.ts';
import { createRedisStore } from '../../service/store/redis/redis.ts';
import type { Grant } from '../../service/token/grant.ts';
import { type Store, Unacknowledged } from '../../service/token/store.ts';
import { ask, type Engine, type Redis, startRedis } from '../harness/redis.ts';
import { startRedisCluster } from '../harness/redis-cluster.ts';
import { startRedisSentinel } from '../harness/redis-sentinel.ts';
import { waitFor } from '../harness/wait.ts';
import { from, grantAt, issueTo, newId } from '../support/store/grants.ts';
import { answers, engines, observerOf } from '../support/store/open-redis.ts';

interface Servers {
  readonly url: string;
  readonly masters: readonly Redis[];
  readonly replicas: readonly Redis[];
  stop(): Promise<void>;
}

/** A master and a replica. */
async function startPair(): Promise<Servers> {
  const master = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
  const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] });
  return {
    url: master.url,
    masters: [master],
    replicas: [replica],
    stop: async () => void (await Promise.all([replica.stop(), master.stop()])),
  };
}

async function startWatched(engine: Engine): Promise<Servers> {
  const { url, servers, stop } = await startRedisSentinel({ engine });
  return { url, masters: servers.slice(0, 1), replicas: servers.slice(1), stop };
}

const [[engine, name] = ['redis', 'Redis'] as const] = engines().slice(-1);

const topologies = [
  { name: 'Redis', replicas: 1, isCluster: false, isReplaced: false, start: startPair },
  {
    ...{ name: `${name} with Sentinel`, replicas: 2, isCluster: false, isReplaced: true },
    start: () => startWatched(engine),
  },
  {
    ...{ name: `${name} Cluster`, replicas: 1, isCluster: true, isReplaced: true },
    start: () => startRedisCluster({ engine }),
  },
];

async function opened(
  { onTestFinished }: TestContext,
  starting: Promise<Servers>,
  options: Partial<RedisStoreOptions> = {},
) {
  const servers = await starting;
  const acknowledgments: boolean[] = [];
  const states: string[] = [];
  const store = createRedisStore({
    url: servers.url,
    prefix: 'postern:',
    timeoutMs: 500,
    replicas: 1,
    observer: observerOf({
      acknowledged: (isAcknowledged) => void acknowledgments.push(isAcknowledged),
    }),
    onState: (state) => void states.push(state),
    ...options,
  });
  onTestFinished(async () => {
    await store.close();
    await servers.stop();
  });
  await answers(store);
  const pause = () => {
    for (const replica of servers.replicas) replica.pause();
  };
  const resume = () => {
    for (const replica of servers.replicas) replica.resume();
  };
  return { servers, store, acknowledgments, states, pause, resume };
}

const UNTIL = Date.now() + 600_000;

const issued = (store: Store, more: Partial<Grant> = {}) =>
  issueTo(store, { expiresAt: UNTIL, ...more });

/** Repeats what is not yet acknowledged. */
async function untilAcknowledged<T>(run: () => Promise<T>): Promise<T> {
  let result: T[] = [];
  const isDone = async () => {
    try {
      result = [await run()];
    } catch (error) {
      if (!(error instanceof Unacknowledged)) throw error;
    }
    return result.length > 0;
  };
  await waitFor(isDone, { what: 'the acknowledgment', deadline: 30_000 });
  return result[0] as T;
}

/** In a cluster, replicas acknowledge a new token, which can take longer on a busy machine. */
const prepared = (store: Store, more?: Partial<Grant>) =>
  untilAcknowledged(() => issued(store, more));

describe.concurrent.each(topologies)('replicas: $name', (topology) => {
  const { start, replicas, isCluster, isReplaced } = topology;

  test('a change without enough replicas is applied and unacknowledged, until it is repeated', async (context) => {
    const { store, acknowledgments, pause, resume } = await opened(context, start(), { replicas });
    const [id, other, external] = [await prepared(store), await prepared(store), newId()];
    const subject = newId();
    const ofSubject = await prepared(store, { subject });
    const client = newId();
    const ofClient = await prepared(store, { client });
    const counted = await prepared(store, { uses: { max: 1, resumeFor: 600 } });
    await untilAcknowledged(() => store.revoke(other, 'web'));
    expect(acknowledgments.splice(0).at(-1)).toBe(true);

    pause();
    const requester = from('192.0.2.1');
    const signed = { subjectId: newId(), issuedAt: 1 };
    for (const change of [
      () => store.revoke(id, 'web'),
      () => store.revokeExternal(external, UNTIL),
      () => store.revokeSigned(signed.subjectId, 5, 60_000),
      () => store.revokeAll('web', { subject }),
      () => store.revokeAll(client, {}),
      () => store.redeem(counted, requester, true),
      () => store.check(),
    ]) {
      await expect(change()).rejects.toThrow(Unacknowledged);
    }
    expect(acknowledgments).toEqual([false, false, false, false, false, false]);
    // All of it holds, and what opens nothing needs no acknowledgment.
    expect((await store.find(id)).grant).toBeUndefined();
    expect((await store.find(ofSubject)).grant).toBeUndefined();
    expect((await store.find(ofClient)).grant).toBeUndefined();
    expect(await store.find(external)).toEqual({ isRevoked: true });
    expect(await store.find(newId(), signed)).toEqual({ isRevoked: true });
    await expect(store.redeem(counted, requester, true)).rejects.toThrow(Unacknowledged);
    expect(await store.redeem(counted, from('192.0.2.2'), true)).toBeUndefined();
    const issuing = issued(store).then((issuedId) => store.find(issuedId));
    if (isCluster) await expect(issuing).rejects.toThrow(Unacknowledged);
    else expect((await issuing).grant).toBeDefined();
    // The token is gone, and that is what has to be acknowledged.
    await expect(store.revoke(id, 'web')).rejects.toThrow(Unacknowledged);

    resume();
    expect(await untilAcknowledged(() => store.revoke(id, 'web'))).toBe(false);
    expect(await untilAcknowledged(() => store.revokeAll('web', { subject }))).toBeDefined();
    expect(await untilAcknowledged(() => store.revokeAll(client, {}))).toBeDefined();
    await untilAcknowledged(() => store.revokeExternal(external, UNTIL));
    await untilAcknowledged(() => store.revokeSigned(signed.subjectId, 5, 60_000));
    await untilAcknowledged(() => store.check());
    expect(await untilAcknowledged(() => store.redeem(counted, requester, true))).toBe('known');
    const next = await prepared(store, { uses: { max: 1, resumeFor: 600 } });
    expect(await untilAcknowledged(() => store.redeem(next, requester, true))).toBe('new');
  });

  test('an earlier end is a revocation: it is unacknowledged until a repetition is acknowledged', async (context) => {
    const { store, pause, resume } = await opened(context, start(), { replicas });
    const soon = () => Date.now() + 120_000;
    const uses = { max: 2, resumeFor: 600 };
    const [plain, counted, short] = [
      await prepared(store),
      await prepared(store, { uses }),
      await prepared(store),
    ];
    await untilAcknowledged(() => store.redeem(counted, from('192.0.2.1'), true));
    await untilAcknowledged(() => store.prolong(short, 'web', soon()));

    pause();
    for (const id of [plain, counted]) {
      await expect(store.prolong(id, 'web', soon())).rejects.toThrow(Unacknowledged);
      expect((await store.find(id)).grant?.expiresAt).toBeLessThan(UNTIL);
      // The end of a repetition is a little later than the first one, and a replica may still have the old end.
      await expect(store.prolong(id, 'web', soon())).rejects.toThrow(Unacknowledged);
      await expect(store.prolong(id, 'web', soon() + 60_000)).rejects.toThrow(Unacknowledged);
    }
    // A token whose new end has come is gone, and that is what has to be acknowledged.
    const gone = newId();
    await expect(store.prolong(gone, 'web', soon())).rejects.toThrow(Unacknowledged);
    // A later end that is lost opens nothing.
    const later = store.prolong(short, 'web', UNTIL);
    if (isCluster) await expect(later).rejects.toThrow(Unacknowledged);
    else expect(await later).toMatchObject({ expiresAt: UNTIL });

    resume();
    for (const id of [plain, counted]) {
      expect(await untilAcknowledged(() => store.prolong(id, 'web', soon()))).toBeDefined();
    }
    expect(await untilAcknowledged(() => store.prolong(gone, 'web', soon()))).toBeUndefined();
    pause();
    // No replica has an end after the acknowledged one.
    if (!isCluster) expect(await store.prolong(plain, 'web', soon() + 60_000)).toBeDefined();
    await expect(store.prolong(plain, 'web', soon())).rejects.toThrow(Unacknowledged);
  });

  test.skipIf(!isReplaced)(
    'an earlier end that was acknowledged survives a failover',
    async (context) => {
      const { servers, store, states } = await opened(context, start(), { replicas });
      // They are on each master of a cluster.
      const ids = await Promise.all(Array.from({ length: 20 }, () => prepared(store)));
      const soon = Date.now() + 120_000;
      await Promise.all(ids.map((id) => untilAcknowledged(() => store.prolong(id, 'web', soon))));
      await servers.masters[0]?.kill();
      const ends = () =>
        Promise.all(ids.map(async (id) => (await store.find(id)).grant?.expiresAt));
      let found: Array<number | undefined> = [];
      const areFound = async () => {
        found = await ends().catch(() => []);
        return found.length > 0;
      };
      await waitFor(areFound, { what: 'the failover', deadline: 30_000 });
      expect(found).toEqual(ids.map(() => soon));
      await context.expect.poll(() => states.at(-1), { message: 'the successor' }).toBe('up');
      expect(states.filter((state) => state === 'up')).toHaveLength(2);
    },
  );

  test('a wrong PIN is acknowledged, also if it ends the token, and a right one is not', async (context) => {
    const { store, pause } = await opened(context, start(), { replicas });
    const id = await prepared(store, { uses: { resumeFor: 60 }, confirm: true, pinHmac: 'x' });
    await untilAcknowledged(() => store.countAttempt(id, 2));
    pause();
    expect(await store.countAttempt(id, 9, true)).toBe(2);
    for (const max of [9, 1])
      await expect(store.countAttempt(id, max)).rejects.toThrow(Unacknowledged);
    expect((await store.find(id)).grant).toBeUndefined();
  });

  test('reads do not wait behind WAIT', async (context) => {
    const options = { replicas, timeoutMs: 5_000 };
    const { servers, store, pause, resume } = await opened(context, start(), options);
    const id = await prepared(store);
    // Twenty tokens are on each master of a cluster.
    const read = await Promise.all(Array.from({ length: 20 }, () => prepared(store)));
    pause();
    let isWaiting = true;
    const revoked = store.revoke(id, 'web').catch((error: Error) => {
      isWaiting = false;
      return error;
    });
    const blocked = async () => {
      const infos = servers.masters.map(({ port }) => ask(port, 'INFO clients'));
      return (await Promise.all(infos)).some((info) => info?.includes('blocked_clients:1'));
    };
    await waitFor(blocked, { what: 'WAIT' });
    for (let i = 0; i < 20; i += 1) {
      await Promise.all(read.map((one) => store.find(one)));
      await turn();
    }
    expect(isWaiting).toBe(true);
    resume();
    await revoked;
  });
});

test('replicas: Cluster: a revoked subject has no grant left, and its index stays until that is acknowledged', async (context) => {
  const { servers, store, pause, resume } = await opened(context, startRedisCluster());
  const subject = newId();
  const entries = Array.from({ length: 500 }, () => {
    return [newId(), grantAt(Date.now(), { expiresAt: UNTIL, subject })] as const;
  });
  await untilAcknowledged(() => store.issue(entries));
  pause();
  await expect(store.revokeAll('web', { subject })).rejects.toThrow(Unacknowledged);
  const left = await Promise.all(entries.map(([id]) => store.find(id)));
  expect(left.filter(({ grant }) => grant !== undefined)).toEqual([]);
  const ending = `postern:subject:{web:${subject}}:revoked`;
  const named = async () => {
    const replies = servers.masters.map(({ port }) => ask(port, `ZCARD ${ending}`));
    return (await Promise.all(replies)).includes(':500\r\n');
  };
  expect(await named()).toBe(true);
  // Without its entry in the index, a token would survive the revocation of its subject.
  await expect(issueTo(store, { subject })).rejects.toThrow(Unacknowledged);
  resume();
  await untilAcknowledged(() => store.revokeAll('web', { subject }));
  expect(await named()).toBe(false);
});
