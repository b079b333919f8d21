import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from './paths.ts';
import { onFreePorts } from './ports.ts';
import { launch, type Running } from './process.ts';
import { ask, type Engine, isOurs, type Redis, startRedis } from './redis.ts';
import { findTool } from './tools.ts';
import { waitFor } from './wait.ts';

const MASTER = 'main';
const SENTINELS = 3;
const REPLICAS = 2;

export interface SentinelOptions {
  engine?: Engine;
  /** Further arguments of each server that holds data. */
  args?: string[];
  /** A folder for what each server keeps, the master first. */
  folders?: readonly string[];
  /** Proxies by which all others reach the servers, the master first. */
  proxies?: readonly ServerProxy[];
  /** Further lines for the configuration of each sentinel. */
  sentinelLines?: string[];
}

export interface ServerProxy {
  readonly port: number;
  leadTo(port: number): void;
}

export interface RedisSentinel {
  /** `redis+sentinel://` with all sentinels. */
  readonly url: string;
  /** The first one is the master at the start. */
  readonly servers: readonly Redis[];
  readonly sentinels: ReadonlyArray<{ readonly port: number; stop(): Promise<unknown> }>;
  stop(): Promise<void>;
}

/** A master with two replicas, watched by three sentinels. */
export async function startRedisSentinel(options: SentinelOptions = {}): Promise<RedisSentinel> {
  const { engine = 'redis', args = [], sentinelLines = [], folders = [], proxies = [] } = options;
  async function start(i: number, more: string[] = []): Promise<Redis> {
    const proxy = proxies[i];
    const announced = ['--replica-announce-ip', '127.0.0.1', '--replica-announce-port'];
    const own = [...args, ...more, ...(proxy ? [...announced, String(proxy.port)] : [])];
    const redis = await startRedis({
      engine,
      args: own,
      ...(folders[i] && { folder: folders[i] }),
    });
    proxy?.leadTo(redis.port);
    return redis;
  }
  const master = await start(0);
  const masterPort = proxies[0]?.port ?? master.port;
  const replicaOf = ['--replicaof', `127.0.0.1 ${masterPort}`, '--repl-diskless-sync-delay', '0'];
  const replicas = await Promise.all(
    Array.from({ length: REPLICAS }, (_, i) => start(i + 1, replicaOf)),
  );
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, () => startSentinel(engine, masterPort, sentinelLines)),
  );
  const servers = [master, ...replicas];
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join();
  const started = {
    url: `redis+sentinel://${hosts}/${MASTER}/0`,
    servers,
    sentinels: sentinels.map(({ port, running }) => ({ port, stop: () => running.stop() })),
    async stop() {
      await Promise.all(sentinels.map(({ running }) => running.stop()));
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
  try {
    await Promise.all(sentinels.map(({ port }) => knowsAll(port)));
  } catch (error) {
    await started.stop();
    throw error;
  }
  return started;
}

/** One sentinel of a master. */
export async function startSentinel(engine: Engine, master: number, lines: string[]) {
  const tool = await findTool(`${engine}-server`);
  return onFreePorts(1, async ([port = 0]): Promise<{ port: number; running: Running }> => {
    const folder = await temporaryFolder();
    const file = join(folder, 'sentinel.conf');
    const configuration = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor ${MASTER} 127.0.0.1 ${master} 2`,
      `sentinel down-after-milliseconds ${MASTER} 1000`,
      `sentinel failover-timeout ${MASTER} 5000`,
      ...lines,
    ];
    // A sentinel writes what it learns to its file.
    await writeFile(file, `${configuration.join('\n')}\n`);
    const running = await launch({
      name: `the sentinel of ${engine}`,
      path: tool.path,
      args: [file, '--sentinel'],
      env: { ...process.env, ...tool.env },
      folder,
    });
    await running.ready(() => isOurs(port, running.pid), { what: 'the sentinel to answer' });
    return { port, running };
  });
}

/** Until then a sentinel could not start a failover. */
async function knowsAll(port: number): Promise<void> {
  const isComplete = async () => {
    const info = (await ask(port, 'INFO sentinel')) ?? '';
    const complete = `status=ok,address=127.0.0.1:\\d+,slaves=${REPLICAS},sentinels=${SENTINELS}`;
    return new RegExp(complete).test(info) || info.startsWith('-NOAUTH');
  };
  await waitFor(isComplete, { what: 'the sentinels to know each other' });
}
