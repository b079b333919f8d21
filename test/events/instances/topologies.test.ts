import { expect, onTestFinished, test } from 'vitest';
import { slotOf } from '../../../service/store/connection/ioredis.ts';
import { createRedisEvents } from '../../../service/store/redis/events.ts';
import { ask } from '../../harness/redis.ts';
import { type RedisCluster, startRedisCluster } from '../../harness/redis-cluster.ts';
import { type RedisSentinel, startRedisSentinel } from '../../harness/redis-sentinel.ts';
import { waitFor } from '../../harness/wait.ts';
import { forTest } from '../../support/for-test.ts';
import { engines } from '../../support/store/open-redis.ts';
import { event, eventContract } from '../contract.ts';

const open = (url: string, prefix = 'postern:') => createRedisEvents({ url, prefix });

for (const [engine, name] of engines()) {
  eventContract(`${name} Cluster`, () => startedOn(startRedisCluster({ engine })));
  eventContract(`${name} with Sentinel`, () => startedOn(startRedisSentinel({ engine })));
}

async function startedOn(starting: Promise<RedisCluster | RedisSentinel>) {
  const { url, stop } = await starting;
  return { open: (prefix: string) => open(url, prefix), stop };
}

/** Adds until it succeeds, as the queue does. */
async function added(store: ReturnType<typeof open>, name: string): Promise<void> {
  const add = () => store.add([event(name)]).catch(() => undefined);
  await waitFor(add, { what: `${name} to be added`, deadline: 40_000 });
}

test.each(['Sentinel', 'Cluster'] as const)(
  'webhooks: after a failover with %s, events that a replica had are taken, and new ones added',
  async (kind) => {
    const redis = await forTest<RedisSentinel | RedisCluster>(
      kind === 'Sentinel' ? startRedisSentinel() : startRedisCluster(),
    );
    const store = open(redis.url);
    onTestFinished(() => store.close());
    await added(store, 'before');
    expect((await store.take(1)).events).toMatchObject([event('before')]);
    await added(store, 'waiting');
    const third = Math.floor(slotOf('postern:{events}') / (16_384 / 3));
    const [master, replicas] =
      'servers' in redis
        ? [redis.servers[0], redis.servers.slice(1)]
        : [redis.masters[third], [redis.replicas[third]]];
    for (const replica of replicas) {
      await expect.poll(() => ask(replica?.port ?? 0, 'ROLE')).toContain('connected');
    }
    expect(await ask(master?.port ?? 0, 'XLEN postern:{events}')).toBe(':2\r\n');
    const copied = await ask(master?.port ?? 0, `WAIT ${replicas.length} 10000`, 15_000);
    expect(copied).toBe(`:${replicas.length}\r\n`);
    process.kill(master?.pid ?? 0, 'SIGKILL');
    await added(store, 'after');
    const { events } = await store.take(5);
    // The first one is in progress elsewhere, for the time of its lease. The last one may have been added twice.
    expect(new Set(events.map(({ id }) => id))).toEqual(new Set(['msg_waiting', 'msg_after']));
  },
);
