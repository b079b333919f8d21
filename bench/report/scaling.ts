import { figures, median } from '../rounds.ts';
import type { Results } from '../run.ts';
import { shown, type Table } from './tables.ts';

/** Bytes for each grant of a kind. */
export interface PerGrant {
  readonly title: string;
  /** In Redis, with the index of its subject and its requesters. */
  readonly memory: number;
  /** From the master to each replica. */
  readonly issue: number;
  readonly use: number | undefined;
  readonly revoke: number;
}

export function grantsTable(kinds: readonly PerGrant[]): Table {
  const bytes = (value: number | undefined) => shown(value, 0);
  return [
    ['token', 'bytes in Redis', 'issue', 'use', 'revoke'],
    ...kinds.map(({ title, memory, issue, use, revoke }) => {
      return [title, ...[memory, issue, use, revoke].map(bytes)];
    }),
  ];
}

const LIVE = [1e6, 1e7, 1e8, 1e9];

/** Seconds that a token lives in this table. */
const LIFETIME = 3600;

/** Bytes of one master: the rest of its 16 GB is for forks, buffers and fragmentation. */
const PER_MASTER = 10e9;

/** Memory, masters and traffic for many live tokens. The first kind is the smallest, the second the largest. */
export function liveTable(kinds: readonly PerGrant[]): Table {
  const sizes = kinds.map(({ memory }) => memory);
  const least = Math.min(...sizes);
  const most = Math.max(...sizes);
  const traffic = Math.max(...kinds.map(({ issue, use = 0, revoke }) => issue + use + revoke));
  return [
    ['live tokens', 'GB, smallest', 'GB, largest', 'masters', 'issued/s', 'MB/s per replica'],
    ...LIVE.map((live) => [
      shown(live, 0),
      shown((live * least) / 1e9, 1),
      shown((live * most) / 1e9, 1),
      String(Math.ceil((live * most) / PER_MASTER)),
      shown(live / LIFETIME, 0),
      shown(((live / LIFETIME) * traffic) / 1e6, 1),
    ]),
  ];
}

/** The steps of docs/operate/scaling.md, by variant. */
const STEPS: Readonly<Record<string, string>> = {
  static: 'no gate',
  redis: 'one Redis',
  cache: 'decision cache, each decision reused',
  sentinel: 'Sentinel',
  cluster: 'Cluster',
  two: 'two instances',
  'jwt-eddsa': 'JWTs without a store',
};

/** Cores that a rate takes: 100,000 requests in 1 s, at the CPU time of each request. */
const RATE = 100_000;

/** CPU time of each request by process, and the cores for 100,000 requests per second. */
export function stepsTable(serve: Results['serve']): Table {
  const cpu = (id: string, name: string) =>
    median(figures(serve, id, ({ at32 }) => at32.cpu[name]));
  const processes = ['nginx', 'service', 'redis'];
  const lines = Object.entries(STEPS)
    .filter(([id]) => (serve[id] ?? []).length > 0)
    .map(([id, title]) => {
      const spent = processes.map((name) => cpu(id, name));
      const cores = spent.map((micros) => micros && (micros * RATE) / 1e6);
      return [title, ...spent.map((micros) => shown(micros, 0)), ...cores.map((n) => shown(n, 1))];
    });
  const head = [
    ...['nginx µs', 'Postern µs', 'Redis µs', 'nginx cores', 'Postern cores', 'Redis cores'],
  ];
  return [['1 KiB file', ...head], ...lines];
}
