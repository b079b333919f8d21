import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine, Redis } from '../../test/harness/redis.ts';
import { startRedisCluster } from '../../test/harness/redis-cluster.ts';
import { tryRun } from '../../test/harness/run.ts';
import { findTool } from '../../test/harness/tools.ts';
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
import {
  isAnyone,
  isNode,
  type Link,
  type Scenario,
  startLink,
  type Topology,
} from './scenario.ts';

/** Moves the first slots of a master to another one, with their keys. */
async function moveSlots(count: number, from: Redis, to: Redis): Promise<void> {
  const { path, env } = await findTool('redis-server');
  const idOf = async (node: Redis) => (await say(node, 'CLUSTER MYID')).split('\r\n')[1] ?? '';
  const ids = ['--cluster-from', await idOf(from), '--cluster-to', await idOf(to)];
  const words = ['--cluster', 'reshard', `127.0.0.1:${from.port}`, ...ids];
  const more = ['--cluster-slots', String(count), '--cluster-yes'];
  const ran = await tryRun(join(dirname(path), 'redis-cli'), [...words, ...more], env);
  if (!ran.ok) throw new Error(ran.output);
}

interface Links {
  readonly clients: Link;
  readonly bus: Link;
}

/** Three masters, each with a replica, which fail. */
export function startFailingCluster(engine: Engine, folder: string): Promise<Topology> {
  return start(engine, folder, []);
}

/** The same, and the network between them fails. */
export async function startDividedCluster(engine: Engine, folder: string): Promise<Topology> {
  const links = Array.from({ length: 6 }, async (): Promise<Links> => {
    return { clients: await startLink(), bus: await startLink() };
  });
  return start(engine, folder, await Promise.all(links));
}

async function start(engine: Engine, folder: string, links: readonly Links[]): Promise<Topology> {
  const folders = await makeFolders(folder, 6);
  // Without it, one lost shard would stop the others.
  const args = [...KEEP, '--cluster-require-full-coverage', 'no'];
  const redis = await startRedisCluster({ engine, args, folders, proxies: links });
  const nodes = [...redis.masters, ...redis.replicas];
  let turn = 0;

  /** A master and its replica: another one each time. */
  async function shard(): Promise<{ master: Redis; replica: Redis }> {
    const master = redis.masters[turn % redis.masters.length] as Redis;
    const replica = redis.replicas[turn % redis.replicas.length] as Redis;
    turn += 1;
    return (await isMaster(master)) ? { master, replica } : { master: replica, replica: master };
  }

  async function whole(): Promise<void> {
    for (const node of nodes) {
      await until('the cluster to be whole', async () => {
        const isOk = (await say(node, 'CLUSTER INFO')).includes('cluster_state:ok');
        const isClear = !/fail|handshake|disconnected/.test(await say(node, 'CLUSTER NODES'));
        return isOk && isClear && ((await isMaster(node)) || (await follows(node)));
      });
    }
    // After a failover the old master is one for a moment longer.
    await until('as many masters as shards', async () => {
      const masters = (await Promise.all(nodes.map(isMaster))).filter(Boolean);
      return masters.length === redis.masters.length;
    });
  }

  const replace: Failing['replace'] = async (fail) => {
    const { master, replica } = await shard();
    await fail(master, [replica]);
    await until('the replica to take over', () => isMaster(replica));
    return master;
  };

  const { ofServers, ofNetwork, restored } = failuresOf({
    ...{ master: 'a master', replicas: 'its replica is', servers: nodes },
    ...{ restMs: 6_000, replace, whole },
    links: links.flatMap(({ clients, bus }) => [clients, bus]),
    /** The bus is cut both ways. */
    async cut(lost, isLost) {
      const id = (await say(lost, 'CLUSTER MYID')).split('\r\n')[1] ?? '';
      for (const [i, { clients, bus }] of links.entries()) {
        if (nodes[i] === lost) clients.cut(isLost);
        bus.cut(nodes[i] === lost ? isAnyone : isNode(id));
      }
    },
    heal() {
      for (const link of links) for (const each of [link.clients, link.bus]) each.heal();
    },
    planned: { name: '`CLUSTER FAILOVER`' },
    plan: (_, [replica]) => say(replica as Redis, 'CLUSTER FAILOVER'),
  });
  const ofShards: Scenario[] = [
    {
      name: '1,500 slots move to another master',
      async run(load) {
        const [from, to] = [await shard(), await shard()];
        await moveSlots(1_500, from.master, to.master);
        await restored(load);
      },
    },
    {
      name: 'a master and its replica are lost for good',
      isForGood: true,
      async run() {
        const { master, replica } = await shard();
        await Promise.all([master.kill(), replica.kill()]);
        await sleep(6_000);
      },
    },
  ];
  const version = await versionOf(redis.masters[0] as Redis);
  return {
    name: 'Cluster',
    kind: links.length > 0 ? 'network' : 'servers',
    version,
    url: redis.url,
    replicas: 1,
    scenarios: links.length > 0 ? ofNetwork : [...ofServers, ...ofShards],
    async stop() {
      await redis.stop();
      for (const link of links) for (const each of [link.clients, link.bus]) each.close();
    },
  };
}
