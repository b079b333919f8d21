import { ask, type Redis, startRedis } from '../test/harness/redis.ts';
import { type ServiceProcess, storeReady } from '../test/harness/service.ts';
import { waitFor } from '../test/harness/wait.ts';
import { EXPIRES_IN, KEY } from './backend.ts';
import { type Issued, issueTokens, startInstance } from './peers/postern/start.ts';
import { fillPages } from './report/page.ts';
import { grantsTable, liveTable, type PerGrant } from './report/scaling.ts';

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

/** Bytes for each of `count` actions. */
async function each(read: () => Promise<number>, count: number, act: () => Promise<unknown>) {
  const before = await read();
  await act();
  return ((await read()) - before) / count;
}

async function all(items: readonly Issued[], act: (item: Issued) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += 20) await Promise.all(items.slice(i, i + 20).map(act));
}

const issue = ({ apiPort }: ServiceProcess, { grant }: Kind, count: number) =>
  issueTokens(apiPort, count, (i) => ({ path: path(i), ...grant(i), expires_in: EXPIRES_IN }));

/** Works with a new Redis, and with Postern. */
async function withRedis<R>(work: (redis: Redis, service: ServiceProcess) => Promise<R>) {
  const redis = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
  try {
    const env = { POSTERN_LOG_LEVEL: 'silent', POSTERN_STORE: redis.url };
    const service = await startInstance(env);
    try {
      await storeReady(service);
      return await work(redis, service);
    } finally {
      await service.stop();
    }
  } finally {
    await redis.stop();
  }
}

/** Redis has no replica here: its buffers would count as memory. */
const memoryOf = (kind: Kind) =>
  withRedis((redis, service) => {
    const used = () => info(redis, 'memory', 'used_memory');
    return each(used, COUNT, async () => {
      const issued = await issue(service, kind, COUNT);
      if (kind.used) await all(issued, (one) => use(service, one));
    });
  });

/** Bytes that the master sends to each replica. */
const trafficOf = (kind: Kind) =>
  withRedis(async (master, service) => {
    const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] });
    try {
      const isLinked = async () =>
        (await ask(replica.port, 'INFO replication'))?.includes('master_link_status:up');
      await waitFor(isLinked, { what: 'the replica to follow' });
      const sent = () => info(master, 'replication', 'master_repl_offset');
      const costOf = (act: () => Promise<unknown>) => each(sent, FEW, act);
      let issued: Issued[] = [];
      return {
        issue: await costOf(async () => {
          issued = await issue(service, kind, FEW);
        }),
        use: kind.used && (await costOf(() => all(issued, (one) => use(service, one)))),
        revoke: await costOf(() => all(issued, (one) => revoke(service, one))),
      };
    } finally {
      await replica.stop();
    }
  });

const kinds: PerGrant[] = [];
for (const kind of KINDS) {
  process.stderr.write(`${kind.title}\n`);
  const memory = await memoryOf(kind);
  kinds.push({ title: kind.title, memory, ...(await trafficOf(kind)) });
}
await fillPages({ grants: grantsTable(kinds), live: liveTable(kinds) });
