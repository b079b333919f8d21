import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../test/harness/paths.ts';
import { ask, type Redis, startRedis } from '../test/harness/redis.ts';
import { type ServiceProcess, startService } from '../test/harness/service.ts';
import { waitFor } from '../test/harness/wait.ts';
import { EXPIRES_IN, KEY } from './backend.ts';
import { BATCH, type Issued, issueBatch } from './peers/postern/start.ts';
import { grantsTable, liveTable, type PerGrant } from './report/scaling.ts';
import { fillIn } from './report/tables.ts';

/** Tokens of one kind. */
const COUNT = 50_000;

/** How many of them are used, revoked or left to expire. */
const FEW = 2_000;

interface Kind {
  readonly title: string;
  /** What its tokens have besides a path of 60 bytes. */
  readonly grant: (i: number) => object;
  readonly used?: true;
}

const path = (i: number) => `/download/reports/2026/november/customer-report-${i}`.padEnd(60, '-');
const user = (i: number) => `user-${String(i).padStart(8, '0')}`;

const KINDS: readonly Kind[] = [
  { title: 'path of 60 bytes', grant: () => ({}) },
  { title: 'with its own subject', grant: (i) => ({ subject: user(i) }) },
  { title: 'with one of 1,000 subjects', grant: (i) => ({ subject: user(i % 1000) }) },
  { title: 'with `max_uses`, used once', grant: () => ({ max_uses: 1 }), used: true },
];

async function issueAll({ apiPort }: ServiceProcess, { grant }: Kind, count: number) {
  const issued: Issued[] = [];
  while (issued.length < count) {
    const size = Math.min(BATCH, count - issued.length);
    const grants = Array.from({ length: size }, (_, i) => {
      const at = issued.length + i;
      return { path: path(at), ...grant(at), expires_in: EXPIRES_IN };
    });
    issued.push(...(await issueBatch(apiPort, grants)));
  }
  return issued;
}

async function use({ gatePort }: ServiceProcess, { url }: Issued): Promise<void> {
  const headers = {
    ...{ 'X-Original-URI': url, 'X-Original-Method': 'GET' },
    ...{ 'X-Real-IP': '192.0.2.1', 'Postern-Site': 'files.example' },
  };
  const { status } = await fetch(`http://127.0.0.1:${gatePort}/auth-request`, { headers });
  if (status !== 204) throw new Error(`a use was denied: ${status}`);
}

async function revoke({ apiPort }: ServiceProcess, { id }: Issued): Promise<void> {
  const headers = { authorization: `Bearer ${KEY}` };
  const url = `http://127.0.0.1:${apiPort}/tokens/${id}`;
  const { status } = await fetch(url, { method: 'DELETE', headers });
  if (status !== 204) throw new Error(`a token was not revoked: ${status}`);
}

async function info({ port }: Redis, section: string, field: string): Promise<number> {
  const text = (await ask(port, `INFO ${section}`, 5_000)) ?? '';
  const value = new RegExp(`^${field}:(\\d+)`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`Redis has no ${field}`);
  return Number(value);
}

const memory = (redis: Redis) => info(redis, 'memory', 'used_memory');
const offset = (redis: Redis) => info(redis, 'replication', 'master_repl_offset');

/** Bytes for each of `count` actions. */
async function each(read: () => Promise<number>, count: number, act: () => Promise<unknown>) {
  const before = await read();
  await act();
  return ((await read()) - before) / count;
}

async function all(items: readonly Issued[], act: (item: Issued) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += 20) await Promise.all(items.slice(i, i + 20).map(act));
}

async function withService<R>(redis: Redis, work: (service: ServiceProcess) => Promise<R>) {
  const service = await startService({
    env: {
      POSTERN_MOUNTS: '/download/=/protected/',
      POSTERN_API_KEYS: `bench:${KEY}`,
      POSTERN_LOG_LEVEL: 'silent',
      POSTERN_STORE: redis.url,
      POSTERN_STORE_TIMEOUT_MS: '1500',
    },
    stdio: 'ignore',
  });
  try {
    const ready = async () => (await fetch(`http://127.0.0.1:${service.apiPort}/readyz`)).ok;
    await waitFor(ready, { what: 'the store to take a write' });
    return await work(service);
  } finally {
    await service.stop();
  }
}

/** Redis has no replica here: its buffers would count as memory. */
async function memoryOf(kind: Kind): Promise<number> {
  const redis = await startRedis();
  try {
    return await withService(redis, (service) => {
      const used = () => memory(redis);
      return each(used, COUNT, async () => {
        const issued = await issueAll(service, kind, COUNT);
        if (kind.used) await all(issued, (one) => use(service, one));
      });
    });
  } finally {
    await redis.stop();
  }
}

/** Bytes that the master sends to each replica. */
async function trafficOf(kind: Kind): Promise<Omit<PerGrant, 'title' | 'memory'>> {
  const master = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
  const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] });
  try {
    const isLinked = async () =>
      (await ask(replica.port, 'INFO replication'))?.includes('master_link_status:up');
    await waitFor(isLinked, { what: 'the replica to follow', deadline: 30_000 });
    return await withService(master, async (service) => {
      const sent = () => offset(master);
      let issued: Issued[] = [];
      const costOf = (act: () => Promise<unknown>) => each(sent, FEW, act);
      return {
        issue: await costOf(async () => {
          issued = await issueAll(service, kind, FEW);
        }),
        use: kind.used && (await costOf(() => all(issued, (one) => use(service, one)))),
        revoke: await costOf(() => all(issued, (one) => revoke(service, one))),
      };
    });
  } finally {
    await replica.stop();
    await master.stop();
  }
}

async function main(): Promise<void> {
  const kinds: PerGrant[] = [];
  for (const kind of KINDS) {
    process.stderr.write(`${kind.title}\n`);
    const bytes = await memoryOf(kind);
    kinds.push({ title: kind.title, memory: bytes, ...(await trafficOf(kind)) });
  }
  const page = join(projectRoot, 'docs', 'operate/scaling.md');
  const tables = { grants: grantsTable(kinds), live: liveTable(kinds) };
  await writeFile(page, fillIn(await readFile(page, 'utf8'), tables));
}

await main();
