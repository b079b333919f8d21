import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine, Redis } from '../../test/harness/redis.ts';
import { startRedisSentinel } from '../../test/harness/redis-sentinel.ts';
import {
  type Failing,
  failuresOf,
  follows,
  isMaster,
  KEEP,
  makeFolders,
  say,
  until,
  versionOf,
} from './failures.ts';
import { type Link, type Scenario, startLink, type Topology } from './scenario.ts';

/** Sentinels start no failover earlier after the last one: twice `failover-timeout`. */
const PAUSE_MS = 10_500;

/** Three sentinels, a master and two replicas, which fail. */
export function startFailingSentinel(engine: Engine, folder: string): Promise<Topology> {
  return start(engine, folder, []);
}

/** The same, and the network between them fails. */
export async function startDividedSentinel(engine: Engine, folder: string): Promise<Topology> {
  return start(engine, folder, await Promise.all([startLink(), startLink(), startLink()]));
}

async function start(engine: Engine, folder: string, links: readonly Link[]): Promise<Topology> {
  const folders = await makeFolders(folder, 3);
  const redis = await startRedisSentinel({ engine, args: KEEP, folders, proxies: links });
  const sentinels = [...redis.sentinels];
  let lastFailover = Number.NEGATIVE_INFINITY;

  /** The port by which the others reach it. */
  const portOf = (server: Redis) => links[redis.servers.indexOf(server)]?.port ?? server.port;

  /** The one that the first sentinel names. */
  async function master(): Promise<Redis> {
    const [sentinel] = sentinels;
    const reply = await say(sentinel ?? { port: 0 }, 'SENTINEL GET-MASTER-ADDR-BY-NAME main');
    const port = Number(reply.split('\r\n')[4]);
    const named = redis.servers.find((server) => portOf(server) === port);
    if (named === undefined) throw new Error(`the sentinel names ${JSON.stringify(reply)}`);
    return named;
  }

  async function whole(): Promise<void> {
    await until('all servers to follow the master', async () => {
      const now = await master();
      const others = redis.servers.filter((server) => server !== now);
      const states = [isMaster(now), ...others.map((server) => follows(server, portOf(now)))];
      return (await Promise.all(states)).every(Boolean);
    });
    for (const sentinel of sentinels) {
      await until('each sentinel to see that', async () => {
        const address = `status=ok,address=127.0.0.1:${portOf(await master())},slaves=2`;
        return (await say(sentinel, 'INFO sentinel')).includes(address);
      });
    }
  }

  const replace: Failing['replace'] = async (fail) => {
    await sleep(Math.max(0, lastFailover + PAUSE_MS - performance.now()));
    const old = await master();
    await fail(
      old,
      redis.servers.filter((server) => server !== old),
    );
    await until('another master', async () => {
      const now = await master();
      return now !== old && (await isMaster(now));
    });
    lastFailover = performance.now();
    return old;
  };

  const { ofServers, ofNetwork, restored, kill } = failuresOf({
    ...{ master: 'the master', replicas: 'the replicas are', servers: redis.servers },
    ...{ restMs: 7_000, replace, whole, links },
    cut: async (old, isLost) => links[redis.servers.indexOf(old)]?.cut(isLost),
    heal() {
      for (const link of links) link.heal();
    },
    async follow(old) {
      // The sentinels would do so too, eight seconds later.
      await say(old, `REPLICAOF 127.0.0.1 ${portOf(await master())}`);
      await say(old, 'CONFIG REWRITE');
    },
    planned: { name: '`SENTINEL FAILOVER`', loses: 'maybe' },
    // This asks again, because the first sentinel gives up if another one undoes the promotion.
    plan: (old) =>
      until('the sentinel to name another master', async () => {
        if ((await master()) !== old) return true;
        await say(sentinels[0] ?? { port: 0 }, 'SENTINEL FAILOVER main');
        return false;
      }),
  });
  const ofSentinels: Scenario[] = [
    {
      name: 'a sentinel is lost',
      async run(load) {
        await sentinels.shift()?.stop();
        await sleep(2_000);
        await restored(load);
      },
    },
    { name: '`kill -9` of the master, with two sentinels left', loses: 'maybe', run: kill() },
  ];
  const version = await versionOf(redis.servers[0] as Redis);
  return {
    name: 'Sentinel',
    kind: links.length > 0 ? 'network' : 'servers',
    version,
    url: redis.url,
    replicas: 2,
    scenarios: links.length > 0 ? ofNetwork : [...ofServers, ...ofSentinels],
    async stop() {
      await redis.stop();
      for (const link of links) link.close();
    },
  };
}
