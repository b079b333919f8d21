import { VARIANTS } from '../peers/all.ts';
import type { Measured } from '../processes.ts';
import { figures, median, type Rounds, ratios } from '../rounds.ts';
import type { Results } from '../run.ts';
import { BY_NGINX, type Downloaded, USERS } from '../workloads/download.ts';
import type { Issued } from '../workloads/issue.ts';
import type { Served } from '../workloads/serve.ts';
import { extrapolated, isReached, type Target, targets } from './targets.ts';

/** The head, and one line for each system. The first column is its name. */
export type Table = readonly (readonly string[])[];

/** The head of a column, and the cell of each variant. */
type Column = readonly [head: string, cell: (id: string) => string];

type Figure<R> = (measured: R) => number | undefined;

/** All tables by name. A workload that was not run has none. */
export function report(results: Results): Record<string, Table> {
  const { serve, quiet, issue, download, downloadWhole, growth } = results;
  const whole = Object.values(downloadWhole).flat()[0] ?? Object.values(download).flat()[0];
  const at32 = ({ at32: measured }: Served) => measured;
  const itself = (measured: Measured) => measured;
  const sizes = Object.keys(growth).map((id) => [id, shown(Number(id), 0)] as const);
  const tables = {
    serve: table('1 KiB file', serve, [
      ...speed(serve, 'requests/s', at32, { '÷ static': 'static', '÷ ceiling': 'ceiling' }),
      middle('256 conn.', serve, (each) => each.at256.perSecond, 0),
      ...cpu(serve, at32),
    ]),
    quiet: table('1 KiB file, no logs', quiet, [
      ...speed(quiet, 'requests/s', itself, { '÷ static': 'static', '÷ ceiling': 'ceiling' }),
      ...cpu(quiet, itself),
    ]),
    single: issued('issued only', issue, (each) => each.single),
    fresh: issued('issued and used once', issue, (each) => each.fresh),
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
    growth: table(
      'live tokens',
      growth,
      [
        ...speed(growth, 'requests/s', itself, { '÷ first row': sizes[0]?.[0] ?? '' }),
        ...cpu(growth, itself),
      ],
      sizes,
    ),
    targets: targetTable(targets(results)),
  };
  // Drop tables that have only a head.
  return Object.fromEntries(Object.entries(tables).filter(([, lines]) => lines.length > 1));
}

/** The writer of all tables of results: a row for each variant that was measured. */
function table(
  title: string,
  rounds: Rounds<unknown>,
  columns: readonly Column[],
  rows: ReadonlyArray<readonly [id: string, title: string]> = VARIANTS.map((one) => [
    one.id,
    one.title,
  ]),
): Table {
  const lines = rows
    .filter(([id]) => id in rounds)
    .map(([id, name]) => [name, ...columns.map(([, cell]) => cell(id))]);
  return [[title, ...columns.map(([head]) => head)], ...lines];
}

function middle<R>(head: string, rounds: Rounds<R>, figure: Figure<R>, digits = 2): Column {
  return [head, (id) => shown(median(figures(rounds, id, figure)), digits)];
}

function range<R>(rounds: Rounds<R>, figure: Figure<R>): Column {
  return ['min–max', (id) => spread(figures(rounds, id, figure), 0)];
}

function ratio<R>(head: string, rounds: Rounds<R>, figure: Figure<R>, base: string): Column {
  const of = (id: string) => figures(rounds, id, figure);
  return [head, (id) => shown(median(ratios(of(id), of(base))))];
}

/** The rate, and its ratios to other variants. */
function speed<R>(
  rounds: Rounds<R>,
  head: string,
  of: (measured: R) => Measured,
  bases: Readonly<Record<string, string>>,
): Column[] {
  const rate = (measured: R) => of(measured).perSecond;
  return [
    middle(head, rounds, rate, 0),
    range(rounds, rate),
    ...Object.entries(bases).map(([title, base]) => ratio(title, rounds, rate, base)),
  ];
}

/** CPU time of each request, by process. */
function cpu<R>(rounds: Rounds<R>, of: (measured: R) => Measured): Column[] {
  return ['nginx', 'service', 'redis'].map((name) =>
    middle(`${name} µs`, rounds, (measured) => of(measured).cpu[name], 0),
  );
}

function issued(title: string, rounds: Rounds<Issued>, of: (each: Issued) => Measured): Table {
  const bases = { '÷ Django': 'django', '÷ Express': 'express' };
  return table(title, rounds, [...speed(rounds, 'per second', of, bases), ...cpu(rounds, of)]);
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
  const head = ['nginx µs', 'Postern µs', 'Redis µs', 'nginx cores', 'Postern cores'];
  return [['1 KiB file', ...head, 'Redis cores'], ...lines];
}

const spread = (values: readonly number[], digits: number) =>
  values.length === 0
    ? '–'
    : `${shown(Math.min(...values), digits)}–${shown(Math.max(...values), digits)}`;

export function shown(value: number | undefined, digits = 2): string {
  const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value?.toLocaleString('en', fixed) ?? '–';
}

/** For a terminal: first column left-aligned, others right-aligned. */
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
