import { join } from 'node:path';
import { projectRoot } from '../../../test/harness/paths.ts';
import { startRedis } from '../../../test/harness/redis.ts';
import { startRedisCluster } from '../../../test/harness/redis-cluster.ts';
import { startRedisSentinel } from '../../../test/harness/redis-sentinel.ts';
import { run } from '../../../test/harness/run.ts';
import type { Variant } from '../../backend.ts';
import { postern, type Servers } from './start.ts';

async function redis(): Promise<Servers> {
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

/** Tokens in turn, so that each master of a cluster has some. */
const MANY = 12_000;

/** nginx reuses a decision for two seconds, and up to one more. */
const CACHE = {
  env: async () => ({ POSTERN_DECISION_TTL: '2' }),
  http: `
    proxy_cache_path postern-decisions levels=1:2 keys_zone=postern_decisions:512k inactive=1m
      use_temp_path=off;
    include postern/cache.conf;`,
};

/** JWTs that a new key signs. */
async function withKey(folder: string) {
  const keys = join(folder, 'keys.json');
  const program = join(projectRoot, 'dist', 'cli', 'postern.js');
  await run(process.execPath, [program, 'key', 'generate', '--out', keys]);
  return { POSTERN_JWT_KEYS_FILE: keys, POSTERN_FORMAT: 'jwt' };
}

export const POSTERN: readonly Variant[] = [
  postern('memory', 'Postern, memory'),
  postern('redis', 'Postern, Redis', { store: redis }),
  postern('cache', 'Postern, Redis, decision cache', { store: redis, ...CACHE }),
  postern('sentinel', 'Postern, Sentinel', { store: sentinel }),
  postern('cluster', 'Postern, Cluster, many tokens', { store: cluster, tokens: MANY }),
  postern('two', 'Postern, Redis, two instances', { store: redis, instances: 2 }),
  postern('jwt-eddsa', 'Postern, stateless JWT, EdDSA', { env: withKey, revocable: false }),
];
