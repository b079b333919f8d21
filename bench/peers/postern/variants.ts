import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot, temporaryFolder } from '../../../test/harness/paths.ts';
import { startRedis } from '../../../test/harness/redis.ts';
import { startRedisCluster } from '../../../test/harness/redis-cluster.ts';
import { startRedisSentinel } from '../../../test/harness/redis-sentinel.ts';
import { run } from '../../../test/harness/run.ts';
import type { Backend, Variant, Wanted } from '../../backend.ts';
import type { Group } from '../../processes.ts';
import { PROTECTED } from './site.ts';
import { type StartOptions, startPostern } from './start.ts';

/** Tokens in turn, so that each master of a cluster has some. */
const MANY = 12_000;

/** A store for Postern, on one server or several. */
interface Servers {
  readonly url: string;
  /** Process groups whose CPU time is reported as that of Redis. */
  readonly pids: Group;
  stop(): Promise<void>;
}

async function onServers(
  start: () => Promise<Servers>,
  wanted: Wanted,
  env: Record<string, string> = {},
  options: StartOptions = {},
): Promise<Backend> {
  const servers = await start();
  try {
    const postern = await startPostern({ POSTERN_STORE: servers.url, ...env }, wanted, options);
    return {
      ...postern,
      processes: { ...postern.processes, redis: servers.pids },
      async stop() {
        await postern.stop();
        await servers.stop();
      },
    };
  } catch (error) {
    await servers.stop();
    throw error;
  }
}

async function oneRedis(): Promise<Servers> {
  const { url, pid, stop } = await startRedis();
  return { url, pids: pid, stop };
}

/** The master and its two replicas. The sentinels have no part in a decision. */
async function sentinel(): Promise<Servers> {
  const { url, servers, stop } = await startRedisSentinel();
  return { url, pids: servers.map(({ pid }) => pid), stop };
}

/** Three masters, each with a replica. */
async function cluster(): Promise<Servers> {
  const { url, masters, replicas, stop } = await startRedisCluster();
  return { url, pids: [...masters, ...replicas].map(({ pid }) => pid), stop };
}

/** nginx reuses a decision for this many seconds, and up to one more. */
const DECISION_TTL = 2;

async function cached(wanted: Wanted): Promise<Backend> {
  const postern = await onServers(oneRedis, wanted, { POSTERN_DECISION_TTL: String(DECISION_TTL) });
  const { http = '' } = postern.site;
  const folder = 'proxy_cache_path postern-decisions levels=1:2 keys_zone=postern_decisions:512k';
  const size = 'inactive=1m use_temp_path=off';
  const cache = `${folder} ${size}; include postern/cache.conf;`;
  return { ...postern, site: { ...postern.site, http: `${http} ${cache}` } };
}

/** Starts something with a folder, which is removed afterwards. */
async function inFolder(start: (folder: string) => Promise<Backend>): Promise<Backend> {
  const folder = await temporaryFolder();
  const backend = await start(folder);
  return {
    ...backend,
    async stop() {
      await backend.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** A mount with an object store: each decision costs a signature. The files still come from a folder. */
const storage = (wanted: Wanted) =>
  inFolder(async (folder) => {
    const bucket = { type: 's3', region: 'eu-central-1', bucket: 'media' };
    const endpoint = 'https://s3.eu-central-1.amazonaws.com';
    const object = { ...bucket, endpoint, credentials: 'environment' };
    const mounts = [{ public: '/download/', internal: PROTECTED, storage: object }];
    const file = join(folder, 'postern.yaml');
    await writeFile(file, JSON.stringify({ mounts }));
    const env = {
      POSTERN_MOUNTS: '',
      POSTERN_CONFIG: file,
      AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    };
    return startPostern(env, wanted);
  });

/** JWTs with `revocable: false`, signed with a new key. */
const withKey = (wanted: Wanted) =>
  inFolder(async (folder) => {
    const keys = join(folder, 'keys.json');
    const program = join(projectRoot, 'dist', 'cli', 'postern.js');
    await run(process.execPath, [program, 'key', 'generate', '--out', keys]);
    const env = { POSTERN_JWT_KEYS: keys, POSTERN_FORMAT: 'jwt' };
    return startPostern(env, wanted, { revocable: false });
  });

export const POSTERN: readonly Variant[] = [
  { id: 'memory', title: 'Postern, memory', start: (wanted) => startPostern({}, wanted) },
  { id: 'storage', title: 'Postern, memory, storage mount', start: storage },
  { id: 'redis', title: 'Postern, Redis', start: (wanted) => onServers(oneRedis, wanted) },
  { id: 'cache', title: 'Postern, Redis, decision cache', start: cached },
  {
    id: 'sentinel',
    title: 'Postern, Sentinel',
    start: (wanted) => onServers(sentinel, wanted),
  },
  {
    id: 'cluster',
    title: 'Postern, Cluster, many tokens',
    start: (wanted) => onServers(cluster, { ...wanted, tokens: MANY }),
  },
  {
    id: 'two',
    title: 'Postern, Redis, two instances',
    start: (wanted) => onServers(oneRedis, wanted, {}, { instances: 2 }),
  },
  { id: 'jwt-eddsa', title: 'Postern, stateless JWT, EdDSA', start: withKey },
];
