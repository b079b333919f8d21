import { freePorts } from './ports.ts';
import { ask, type Engine, type Redis, startRedis } from './redis.ts';
import type { ServerProxy } from './redis-sentinel.ts';
import { waitFor } from './wait.ts';

const MASTERS = 3;
const SLOTS = 16_384;

export interface ClusterOptions {
  engine?: Engine;
  /** Further arguments of each node. */
  args?: string[];
  /** 0 or 1 for each master. */
  replicas?: 0 | 1;
  /** A folder for what each server keeps, the masters first. */
  folders?: readonly string[];
  /** Proxies by which all others reach the nodes, the masters first. */
  proxies?: ReadonlyArray<{ readonly clients: ServerProxy; readonly bus: ServerProxy }>;
}

export interface RedisCluster {
  /** `redis+cluster://` with all nodes. */
  readonly url: string;
  /** At the start, each has a third of the slots. */
  readonly masters: readonly Redis[];
  readonly replicas: readonly Redis[];
  stop(): Promise<void>;
}

/** Three masters and a replica of each. */
export async function startRedisCluster(options: ClusterOptions = {}): Promise<RedisCluster> {
  const { replicas: perMaster = 1 } = options;
  const nodes = await Promise.all(
    Array.from({ length: MASTERS * (1 + perMaster) }, (_, i) => startNode(options, i)),
  );
  const masters = nodes.slice(0, MASTERS);
  const cluster = {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join()}`,
    masters: masters.map(({ redis }) => redis),
    replicas: nodes.slice(MASTERS).map(({ redis }) => redis),
    stop: async () => void (await Promise.all(nodes.map(({ redis }) => redis.stop()))),
  };
  try {
    await join(nodes);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

interface Node {
  readonly redis: Redis;
  /** The port by which others reach it. */
  readonly port: number;
  readonly busPort: number;
}

async function startNode(options: ClusterOptions, number: number): Promise<Node> {
  const { engine = 'redis', args = [], folders = [], proxies = [] } = options;
  const folder = folders[number];
  // Its default, the port and 10000, is among those of outgoing connections.
  const [busPort = 0] = await freePorts(1);
  const enabled = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort)];
  const quick = ['--cluster-node-timeout', '2000', '--repl-diskless-sync-delay', '0'];
  const proxy = proxies[number];
  const announced = proxy
    ? {
        'cluster-announce-ip': '127.0.0.1',
        'cluster-announce-port': proxy.clients.port,
        'cluster-announce-bus-port': proxy.bus.port,
      }
    : {};
  const more = Object.entries(announced).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const all = [...enabled, ...quick, ...args, ...more];
  const redis = await startRedis({ engine, args: all, ...(folder && { folder }) });
  proxy?.clients.leadTo(redis.port);
  proxy?.bus.leadTo(busPort);
  const [port = redis.port, bus = busPort] = [proxy?.clients.port, proxy?.bus.port];
  return { redis, port, busPort: bus };
}

async function join(nodes: readonly Node[]): Promise<void> {
  const masters = nodes.slice(0, MASTERS);
  const [first] = masters;
  await Promise.all(
    masters.map(async ({ redis }, i) => {
      const [from, to] = [i, i + 1].map((part) => Math.floor((part * SLOTS) / MASTERS));
      await tell(redis, `CLUSTER ADDSLOTSRANGE ${from} ${Number(to) - 1}`);
      await tell(redis, `CLUSTER SET-CONFIG-EPOCH ${i + 1}`);
    }),
  );
  for (const { port, busPort } of nodes.slice(1)) {
    if (first) await tell(first.redis, `CLUSTER MEET 127.0.0.1 ${port} ${busPort}`);
  }
  await everywhere(nodes, (text) => text.split('\n').filter(isNode).length === nodes.length);
  const ids = await Promise.all(masters.map(({ redis }) => tell(redis, 'CLUSTER MYID')));
  for (const [i, { redis }] of nodes.slice(MASTERS).entries()) {
    await tell(redis, `CLUSTER REPLICATE ${ids[i % MASTERS]?.split('\r\n')[1]}`);
  }
  const replicas = nodes.length - MASTERS;
  await everywhere(
    nodes,
    (text) => text.match(/ (myself,)?slave /g)?.length === (replicas || undefined),
  );
  const isOk = async ({ redis }: Node) => {
    const [info, replication] = [
      await ask(redis.port, 'CLUSTER INFO'),
      await ask(redis.port, 'INFO replication'),
    ];
    return info?.includes('cluster_state:ok') && !replication?.includes('link_status:down');
  };
  for (const node of nodes) {
    await waitFor(() => isOk(node), { what: 'the cluster to be ok' });
  }
}

const isNode = (line: string) => /^[\da-f]{40} /.test(line) && !line.includes('handshake');

/** Waits until CLUSTER NODES of each node is as it should be. */
async function everywhere(nodes: readonly Node[], test: (text: string) => boolean): Promise<void> {
  for (const { redis } of nodes) {
    const isSo = async () => test((await ask(redis.port, 'CLUSTER NODES')) ?? '');
    await waitFor(isSo, { what: 'the nodes to know each other' });
  }
}

async function tell(redis: Redis, command: string): Promise<string> {
  const reply = await ask(redis.port, command, 5_000);
  if (reply === undefined || reply.startsWith('-')) throw new Error(`${command}: ${reply}`);
  return reply;
}
