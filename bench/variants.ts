import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startNginx } from '../dev/nginx.ts';
import { projectRoot, temporaryFolder } from '../dev/paths.ts';
import { onFreePorts } from '../dev/ports.ts';
import { launch } from '../dev/process.ts';
import { startRedis } from '../dev/redis.ts';
import { run } from '../dev/run.ts';
import { startPostern, type Wanted } from './postern.ts';
import { NAME, SHAM_TOKEN, TARGET } from './site.ts';

/** What stands behind nginx in one variant, started afresh for each measurement. */
export interface Backend {
  /** The gate's, for nginx's upstream. */
  readonly port: number;
  /** What to ask nginx for. */
  readonly path: string;
  /** More of its like, to ask for in turn: each has a token of its own. */
  readonly paths?: readonly string[];
  /** Without a token this must be refused. */
  readonly refused?: string;
  /** Process groups whose CPU time is told apart. */
  readonly processes: Readonly<{ service?: number; redis?: number }>;
  stop(): Promise<void>;
}

export interface Variant {
  readonly id: string;
  readonly title: string;
  start(): Promise<Backend>;
}

const plain = `/download/${NAME}?token=${SHAM_TOKEN}`;

/** nginx wants an address, also where it never connects to it. */
const UNUSED = 1;

function nginxAlone(id: string, title: string, path: string): Variant {
  return {
    id,
    title,
    start: async () => ({ port: UNUSED, path, processes: {}, stop: async () => {} }),
  };
}

/** The least that any service can cost: a second nginx with one fixed answer. */
async function secondNginx(): Promise<Backend> {
  const nginx = await startNginx({
    config: ({ port }) => `
      server {
        listen 127.0.0.1:${port};
        access_log off;
        location / {
          add_header Postern-Target ${TARGET};
          return 204;
        }
      }`,
  });
  return { port: nginx.port, path: plain, processes: { service: nginx.pid }, stop: nginx.stop };
}

async function bareNode(): Promise<Backend> {
  const server = join(projectRoot, 'dist', 'bench', 'bare.js');
  const { port, running } = await onFreePorts(1, async ([free = 0]) => {
    const args = [server, String(free), TARGET];
    const started = await launch({ name: 'bare', path: process.execPath, args, env: {} });
    await started.ready(() => started.stdout() !== '', { what: 'the bare server to listen' });
    return { port: free, running: started };
  });
  const stop = async () => void (await running.stop());
  return { port, path: plain, processes: { service: running.pid }, stop };
}

/** More than are remembered: when the first comes again it has been forgotten. */
const MANY = 12_000;

async function onRedis(env: Record<string, string> = {}, wanted: Wanted = {}): Promise<Backend> {
  const redis = await startRedis();
  const postern = await startPostern({ POSTERN_STORE: redis.url, ...env }, wanted);
  return {
    ...postern,
    processes: { ...postern.processes, redis: redis.pid },
    async stop() {
      await postern.stop();
      await redis.stop();
    },
  };
}

/** JWTs of which the store keeps nothing, by a new key. */
async function withKey(alg: string, tokens = 1): Promise<Backend> {
  const folder = await temporaryFolder();
  const keys = join(folder, 'keys.json');
  const program = join(projectRoot, 'dist', 'service', 'cli', 'postern.js');
  await run(process.execPath, [program, 'key', 'generate', '--alg', alg, '--out', keys]);
  const env = { POSTERN_JWT_KEYS: keys, POSTERN_FORMAT: 'jwt' };
  const postern = await startPostern(env, { tokens, revocable: false });
  return {
    ...postern,
    async stop() {
      await postern.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** What the ratios are to: `static`, `ceiling` and `redis`. */
export const BASES = ['static', 'ceiling', 'redis'];

export const VARIANTS: readonly Variant[] = [
  nginxAlone('static', 'static file', `/static/${NAME}?token=${SHAM_TOKEN}`),
  nginxAlone('return', 'auth_request, inside nginx', `/return-204/${NAME}?token=${SHAM_TOKEN}`),
  { id: 'ceiling', title: 'auth_request, second nginx', start: secondNginx },
  { id: 'bare', title: 'auth_request, bare Node server', start: bareNode },
  { id: 'memory', title: 'Postern, memory', start: () => startPostern({}) },
  { id: 'redis', title: 'Postern, Redis', start: () => onRedis() },
  {
    id: 'redis-remember',
    title: 'Postern, Redis, remembered',
    start: () => onRedis({ POSTERN_STORE_REMEMBER: '10000' }),
  },
  {
    id: 'redis-log',
    title: 'Postern, Redis, log at info',
    start: () => onRedis({ POSTERN_LOG_LEVEL: 'info' }),
  },
  {
    id: 'redis-many',
    title: 'Postern, Redis, many tokens',
    start: () => onRedis({}, { tokens: MANY }),
  },
  ...['EdDSA', 'HS256'].flatMap((alg): Variant[] => {
    const [id, title] = [`jwt-${alg.toLowerCase()}`, `JWT, nothing kept, ${alg}`];
    return [
      { id, title: `${title}, warm`, start: () => withKey(alg) },
      { id: `${id}-cold`, title: `${title}, cold`, start: () => withKey(alg, MANY) },
    ];
  }),
];
