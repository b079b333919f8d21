import { VARIANTS } from '../peers/all.ts';
import { figures, median, type Rounds, ratios } from '../rounds.ts';
import type { Results } from '../run.ts';
import {
  BY_NGINX,
  type Downloaded,
  type Issued,
  type Measured,
  type Served,
  USERS,
} from '../workloads.ts';
import { extrapolated, isReached, type Target, targets } from './targets.ts';

/** The head, and one line for each system. The first column is its name. */
export type Table = readonly (readonly string[])[];

/** The head of a column, and the cell of each variant. */
type Column = readonly [head: string, cell: (id: string) => string];

type Figure<R> = (measured: R) => number | undefined;

/** All tables by name. A workload that was not run has none. */
export function report(results: Results): Record<string, Table> {
  const { serve, issue, download, downloadWhole, growth } = results;
  const whole = Object.values(downloadWhole).flat()[0] ?? Object.values(download).flat()[0];
  const at32 = ({ at32: measured }: Served) => measured;
  const at256 = middle('256 conn.', serve, (each) => each.at256.perSecond, 0);
  const itself = (measured: Measured) => measured;
  const bases = { '÷ ceiling': 'ceiling', '÷ own': 'own' };
  const applications = { '÷ Django': 'django', '÷ Express': 'express' };
  const issued = (title: string, of: (each: Issued) => Measured) =>
    table(title, issue, loads('per second', issue, of, applications));
  const sizes = Object.keys(growth).map((id) => [id, shown(Number(id), 0)] as const);
  const first = { '÷ first row': sizes[0]?.[0] ?? '' };
  const tables = {
    serve: table('1 KiB file', serve, loads('requests/s', serve, at32, bases, at256)),
    single: issued('issued only', ({ single }) => single),
    fresh: issued('issued and used once', ({ fresh }) => fresh),
    cost: table('at half of that rate', serve, [
      middle('requests/s', serve, (each) => each.half.rate, 0),
      middle('p50 ms', serve, (each) => each.half.p50),
      middle('p99 ms', serve, (each) => each.half.p99),
      middle('start ms', serve, (each) => each.startMs, 0),
      middle('idle MB', serve, ({ idleBytes }) => idleBytes && idleBytes / 1e6, 0),
      middle('peak MB', serve, (each) => each.peakBytes && each.peakBytes / 1e6, 0),
    ]),
    download: downloads(download, whole?.bytes ?? 0),
    downloadWhole: downloads(downloadWhole, whole?.bytes ?? 0),
    growth: table('live tokens', growth, loads('requests/s', growth, itself, first), sizes),
    targets: targetTable(targets(results)),
  };
  // Drop tables that have only a head.
  return Object.fromEntries(Object.entries(tables).filter(([, lines]) => lines.length > 1));
}

/** The writer of all tables of results: a row for each variant that was measured. */
export function table(
  title: string,
  rounds: Rounds<unknown>,
  columns: readonly Column[],
  rows: ReadonlyArray<readonly [string, string]> = VARIANTS.map((one) => [one.id, one.title]),
): Table {
  const lines = rows
    .filter(([id]) => id in rounds)
    .map(([id, name]) => [name, ...columns.map(([, cell]) => cell(id))]);
  return [[title, ...columns.map(([head]) => head)], ...lines];
}

export function middle<R>(head: string, rounds: Rounds<R>, figure: Figure<R>, digits = 2): Column {
  return [head, (id) => shown(median(figures(rounds, id, figure)), digits)];
}

export function range<R>(rounds: Rounds<R>, figure: Figure<R>, digits = 0): Column {
  return ['min–max', (id) => spread(figures(rounds, id, figure), digits)];
}

function ratio<R>(head: string, rounds: Rounds<R>, figure: Figure<R>, base: string): Column {
  const of = (id: string) => figures(rounds, id, figure);
  return [head, (id) => shown(median(ratios(of(id), of(base))))];
}

/** The rate, its ratios to other rows, more columns, and the CPU time of each request by process. */
function loads<R>(
  head: string,
  rounds: Rounds<R>,
  of: (measured: R) => Measured,
  bases: Readonly<Record<string, string>>,
  ...more: readonly Column[]
): Column[] {
  const rate = (measured: R) => of(measured).perSecond;
  const cpu = ['nginx', 'service', 'redis'].map((name) =>
    middle(`${name} µs`, rounds, (measured) => of(measured).cpu[name], 0),
  );
  return [
    middle(head, rounds, rate, 0),
    range(rounds, rate),
    ...Object.entries(bases).map(([title, base]) => ratio(title, rounds, rate, base)),
    ...more,
    ...cpu,
  ];
}

/** `to`: the file size in bytes that CPU seconds are extrapolated to. */
function downloads(rounds: Rounds<Downloaded>, to: number): Table {
  const bytes = Object.values(rounds).flat()[0]?.bytes ?? 0;
  const rate = (each: Downloaded) => each.bytesPerSecond / 1e6;
  const whole = middle(`CPU s for ${to / 1e6} MB`, rounds, (each) => extrapolated(each, to));
  return table(`${USERS} × ${bytes / 1e6} MB at once`, rounds, [
    middle('MB/s', rounds, rate, 0),
    range(rounds, rate),
    ratio('÷ static', rounds, rate, 'static'),
    middle('nginx CPU s', rounds, (each) => each.cpu.nginx),
    middle('service CPU s', rounds, (each) => each.cpu.service),
    // nginx sends the bytes, so a larger file does not need more CPU time of the application.
    [whole[0], (id) => (BY_NGINX.includes(id) && bytes < to ? '–' : whole[1](id))],
    middle('peak MB', rounds, (each) => each.peakBytes && each.peakBytes / 1e6, 0),
  ]);
}

function targetTable(all: readonly Target[]): Table {
  const lines = all.map((target) => {
    const { what, least, most, rounds } = target;
    const digits = (least ?? most ?? 0) >= 100 ? 0 : 2;
    const bound = least === undefined ? `at most ${most}` : `at least ${least}`;
    const reached = isReached(target);
    const word = reached ? 'reached' : 'NOT reached';
    const state = reached === undefined ? 'not measured' : word;
    return [what, bound, shown(median(rounds), digits), spread(rounds, digits), state];
  });
  return [['target', 'must be', 'measured', 'min–max', ''], ...lines];
}

/** The ways to run Postern in docs/understand/performance.md, by variant. */
export const STEPS: Readonly<Record<string, string>> = {
  static: 'no gate',
  redis: 'one Redis',
  cache: 'decision cache, each decision reused',
  sentinel: 'Sentinel',
  cluster: 'Cluster',
  two: 'two instances',
  'jwt-eddsa': 'JWTs without a store',
};

/** The measured rate, the CPU time of each request by process, the rate of a full core, and the latency. */
export function stepsTable(serve: Results['serve']): Table {
  const spent = ({ cpu }: Measured, name: string) => cpu[name] || undefined;
  const full = ({ cpu: { service = 0 } }: Measured) => (service < 5 ? undefined : 1e6 / service);
  return table(
    '1 KiB file',
    serve,
    [
      middle('requests/s', serve, ({ at32 }) => at32.perSecond, 0),
      range(serve, ({ at32 }) => at32.perSecond),
      middle('nginx µs', serve, ({ at32 }) => spent(at32, 'nginx'), 0),
      middle('Postern µs', serve, ({ at32 }) => spent(at32, 'service'), 0),
      middle('Redis µs', serve, ({ at32 }) => spent(at32, 'redis'), 0),
      middle('full core of Postern', serve, ({ at32 }) => full(at32), 0),
      middle('p50 ms', serve, ({ half }) => half.p50),
      middle('p99 ms', serve, ({ half }) => half.p99),
    ],
    Object.entries(STEPS),
  );
}

const spread = (values: readonly number[], digits: number) =>
  values.length === 0
    ? '–'
    : `${shown(Math.min(...values), digits)}–${shown(Math.max(...values), digits)}`;

export function shown(value: number | undefined, digits = 2): string {
  const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value?.toLocaleString('en', fixed) ?? '–';
}

/** The table for a terminal: the first column is left-aligned, the others right-aligned. */
export function aligned(lines: Table): string {
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const cell = (text: string, i: number) => {
    const width = widths?.[i] ?? 0;
    return i === 0 ? text.padEnd(width) : text.padStart(width);
  };
  return lines.map((line) => line.map(cell).join('  ').trimEnd()).join('\n');
}

/** Writes each table between `<!-- bench:NAME -->` and `<!-- /bench -->`. Other tables stay as they are. */
export function fillIn(page: string, tables: Readonly<Record<string, Table>>): string {
  return page.replace(
    /(<!-- bench:(\w+) -->\n).*?(<!-- \/bench -->)/gs,
    (all, open, name, close) => {
      const lines = tables[name];
      return lines === undefined ? all : `${open}${markdown(lines)}\n${close}`;
    },
  );
}

function markdown([head = [], ...lines]: Table): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = `|${head.map((_, i) => (i === 0 ? '---|' : '--:|')).join('')}`;
  return [row(head), rule, ...lines.map(row)].join('\n');
}
