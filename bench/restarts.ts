import { rm } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startOnSockets } from '../test/harness/on-sockets.ts';
import { temporaryFolder } from '../test/harness/paths.ts';
import { onFreePorts } from '../test/harness/ports.ts';
import { startRedis } from '../test/harness/redis.ts';
import { waitFor } from '../test/harness/wait.ts';
import { KEEPALIVE, KEY, NAME } from './backend.ts';
import { countWrk } from './load/wrk.ts';
import { onGate } from './peers/postern/site.ts';
import { issueTokens } from './peers/postern/start.ts';
import { fillPages } from './report/page.ts';
import { aligned, shown } from './report/tables.ts';
import { fileOf } from './run.ts';
import { startSite } from './running.ts';

// Ends processes under load, counts failed downloads, and writes all rows to results.md.
// Usage: npm --prefix bench run restarts [-- <part of the title of a row>]

const RESTARTS = ['SIGTERM', 'SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGTERM', 'SIGKILL'] as const;
/** nginx asks a failed server again after one to two seconds. */
const BETWEEN_MS = 2500;
const HANGS_MS = 5000;

interface Row {
  readonly title: string;
  readonly processes: number;
  /** Each process has its own socket, as in containers. */
  readonly apart?: boolean;
  readonly connections?: number;
  readonly fresh?: boolean;
  readonly hangs?: boolean;
  /** No process ends. */
  readonly calm?: boolean;
}

const ROWS: readonly Row[] = [
  { title: 'one process', processes: 1 },
  { title: 'one process, new connections', processes: 1, fresh: true },
  { title: 'one process, 1,000 connections', processes: 1, connections: 1000 },
  { title: 'the same, and none ends', processes: 1, connections: 1000, calm: true },
  { title: 'two processes', processes: 2 },
  { title: 'two processes, new connections', processes: 2, fresh: true },
  { title: 'two processes, 1,000 connections', processes: 2, connections: 1000 },
  { title: 'two processes, one hangs for 5 s', processes: 2, hangs: true },
  { title: 'two containers, a socket each', processes: 2, apart: true },
  { title: 'two containers, new connections', processes: 2, apart: true, fresh: true },
];

/** The body of a response on a Unix socket; undefined if nobody answers. */
function ask(socketPath: string, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get({ socketPath, path, agent: false, timeout: 5000 }, async (response) => {
      resolve((await response.setEncoding('utf8').toArray()).join(''));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(undefined));
  });
}

async function measure(row: Row, files: string, folder: string): Promise<string[]> {
  const { processes, apart, fresh, hangs, calm, connections = 64 } = row;
  const redis = await startRedis();
  const at = (name: string) => join(folder, name);
  const env = {
    POSTERN_MOUNTS: '/download/=/protected/',
    POSTERN_API_KEYS: `bench:${KEY}`,
    POSTERN_STORE: redis.url,
    POSTERN_LOG_LEVEL: 'warn',
  };
  const gates = Array.from({ length: apart ? processes : 1 }, (_, i) => at(`gate-${i}.sock`));
  // Containers have no supervisor that holds sockets: here each process opens its own gate.
  const groups = await Promise.all(
    gates.map((gate, i) =>
      onFreePorts(1, async ([apiPort = 0]) => {
        const sockets = { api: `127.0.0.1:${apiPort}`, ...(!apart && { gate: `unix:${gate}` }) };
        const own = {
          ...{ POSTERN_METRICS_LISTEN: `unix:${at(`metrics-${i}-%i.sock`)}`, ...env },
          ...(apart && { POSTERN_LISTEN: `unix:${gate}`, POSTERN_SOCKET_MODE: '0666' }),
        };
        return { apiPort, ...(await startOnSockets(sockets, own, apart ? 1 : processes)) };
      }),
    ),
  );
  const all = groups.flatMap((group, i) =>
    Array.from({ length: apart ? 1 : processes }, (_, n) => ({
      metrics: at(`metrics-${i}-${n + 1}.sock`),
      pid: () => group.pids()[n] as number,
    })),
  );
  const allReady = async () =>
    (await Promise.all(all.map(({ metrics }) => ask(metrics, '/livez')))).every(Boolean);
  await waitFor(allReady, { what: 'all processes to listen' });
  const parameters = apart ? ' max_fails=3 fail_timeout=1s' : '';
  const site = onGate(
    files,
    gates.map((gate) => `unix:${gate}${parameters}`),
  );
  const http = fresh ? site.http.replace(`keepalive ${KEEPALIVE};`, '') : site.http;
  const nginx = await startSite({ ...site, http, log: 'postern' });
  try {
    const grant = { path: `/download/${NAME}`, expires_in: 3600 };
    const [token] = await issueTokens(groups[0]?.apiPort ?? 0, 1, () => grant);
    const load = (seconds: number) =>
      countWrk(nginx.url(token?.url ?? ''), { connections, seconds, fresh: fresh === true });
    const counts = async () => {
      const texts = await Promise.all(all.map(({ metrics }) => ask(metrics, '/metrics')));
      return texts.map((text = '') => Number(/_decisions_total\{.*allow"\} (\d+)/.exec(text)?.[1]));
    };
    await load(1);
    const before = await counts();
    await load(4);
    const made = (await counts()).map((count, i) => count - (before[i] ?? 0));
    const mean = made.reduce((sum, count) => sum + count, 0) / made.length;
    const running = load(hangs ? 10 : 26);
    await sleep(1000);
    if (hangs) {
      process.kill(all[0]?.pid() as number, 'SIGSTOP');
      await sleep(HANGS_MS);
      process.kill(all[0]?.pid() as number, 'SIGCONT');
    }
    for (const [i, signal] of hangs || calm ? [] : RESTARTS.entries()) {
      const one = all[i % all.length] as (typeof all)[number];
      const before = one.pid();
      process.kill(before, signal);
      await waitFor(() => one.pid() !== before, { what: 'its next start' });
      await waitFor(allReady, { what: 'all processes to listen' });
      await sleep(BETWEEN_MS);
    }
    const { requests, failed, slowest } = await running;
    const balance = all.length > 1 ? shown(Math.max(...made) / mean) : '–';
    return [row.title, shown(requests, 0), shown(failed, 0), slowest, balance];
  } finally {
    await nginx.stop();
    await Promise.all(groups.map((group) => group.stop()));
    await redis.stop();
  }
}

const table = [['six restarts', 'requests', 'failed', 'slowest', 'busiest ÷ mean']];
for (const row of ROWS.filter(({ title }) => title.includes(process.argv[2] ?? ''))) {
  const folder = await temporaryFolder();
  try {
    table.push(await measure(row, await fileOf(folder, 1024), folder));
    process.stderr.write(`${table.at(-1)?.join(' | ')}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
process.stdout.write(`${aligned(table)}\n`);
if (table.length > ROWS.length) await fillPages({ restarts: table });
