import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot, temporaryFolder } from '../../../dev/paths.ts';
import { startRedis } from '../../../dev/redis.ts';
import { run } from '../../../dev/run.ts';
import type { Backend, Variant, Wanted } from '../../backend.ts';
import { startPostern } from './start.ts';

/** More than the JWT cache holds, so that no token is found in it. */
const MANY = 12_000;

export async function onRedis(wanted: Wanted, env: Record<string, string> = {}): Promise<Backend> {
  const redis = await startRedis();
  try {
    const postern = await startPostern({ POSTERN_STORE: redis.url, ...env }, wanted);
    return {
      ...postern,
      processes: { ...postern.processes, redis: redis.pid },
      async stop() {
        await postern.stop();
        await redis.stop();
      },
    };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

/** nginx reuses a decision for this many seconds, and up to one more. */
const DECISION_TTL = 2;

async function cached(wanted: Wanted): Promise<Backend> {
  const postern = await onRedis(wanted, { POSTERN_DECISION_TTL: String(DECISION_TTL) });
  const { http = '' } = postern.site;
  return { ...postern, site: { ...postern.site, http: `${http} include postern/cache.conf;` } };
}

/** JWTs with `revocable: false`, signed with a new key. */
async function withKey(alg: string, wanted: Wanted): Promise<Backend> {
  const folder = await temporaryFolder();
  const keys = join(folder, 'keys.json');
  const program = join(projectRoot, 'dist', 'cli', 'postern.js');
  await run(process.execPath, [program, 'key', 'generate', '--alg', alg, '--out', keys]);
  const env = { POSTERN_JWT_KEYS: keys, POSTERN_FORMAT: 'jwt' };
  const postern = await startPostern(env, wanted, false);
  return {
    ...postern,
    async stop() {
      await postern.stop();
      await rm(folder, { recursive: true });
    },
  };
}

function jwt(alg: string): Variant[] {
  const [id, title] = [`jwt-${alg.toLowerCase()}`, `Postern, stateless JWT, ${alg}`];
  return [
    { id, title, start: (wanted) => withKey(alg, wanted) },
    {
      id: `${id}-many`,
      title: `${title}, many tokens`,
      start: (wanted) => withKey(alg, { ...wanted, tokens: MANY }),
    },
  ];
}

export const POSTERN: readonly Variant[] = [
  { id: 'memory', title: 'Postern, memory', start: (wanted) => startPostern({}, wanted) },
  { id: 'redis', title: 'Postern, Redis', start: (wanted) => onRedis(wanted) },
  { id: 'cache', title: 'Postern, Redis, decision cache', start: cached },
  {
    id: 'redis-log',
    title: 'Postern, Redis, log at info',
    start: (wanted) => onRedis(wanted, { POSTERN_LOG_LEVEL: 'info' }),
  },
  {
    id: 'redis-many',
    title: 'Postern, Redis, many tokens',
    start: (wanted) => onRedis({ ...wanted, tokens: MANY }),
  },
  ...['EdDSA', 'HS256'].flatMap(jwt),
];
