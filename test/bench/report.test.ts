import { expect, test } from 'vitest';
import { VARIANTS } from '../../bench/peers/all.ts';
import { readersTables } from '../../bench/report/reader.ts';
import { grantsTable, liveTable } from '../../bench/report/scaling.ts';
import { report, STEPS, stepsTable } from '../../bench/report/tables.ts';
import { isReached, targets } from '../../bench/report/targets.ts';
import type { Results } from '../../bench/run.ts';
import type { Downloaded, Served } from '../../bench/workloads.ts';
import { textOf } from '../harness/paths.ts';

const EMPTY = { serve: {}, issue: {}, download: {}, downloadWhole: {}, growth: {} };
/** The results of a benchmark that measured nothing. */
const NONE: Results = { ...EMPTY, failed: [] };

function load(perSecond: number) {
  return { requests: perSecond, perSecond, cpu: { nginx: 10, service: 20 } };
}

function served(perSecond: number): Served {
  const half = { rate: perSecond / 2, requests: 100, p50: 1, p99: 2 };
  const loads = { at32: load(perSecond), at256: load(perSecond), half };
  return { ...loads, startMs: 300, idleBytes: 90e6, peakBytes: 170e6 };
}

function downloaded(bytes: number, service: number): Downloaded {
  const bytesPerSecond = 1e9;
  return { bytes, bytesPerSecond, cpu: { nginx: 1, service }, peakBytes: undefined };
}

/** The results of some workloads and systems. */
const SOME: Results = {
  ...NONE,
  serve: { bare: [served(100), served(50)], redis: [served(80), served(30)] },
  issue: {
    django: [{ fresh: load(10), single: load(20) }],
    redis: [{ fresh: load(40), single: load(50) }],
  },
  download: { express: [downloaded(100, 2)], redis: [downloaded(100, 0.1)] },
  downloadWhole: { redis: [downloaded(2000, 0.1)] },
  growth: { '1000': [load(100)], '1000000': [load(89)] },
};

const measured = (what: string) => targets(SOME).find((target) => target.what === what);

test('targets: a ratio is taken within each round, and the table has its spread', () => {
  const target = measured('Redis ÷ bare Node.js gate');
  expect(target?.rounds).toEqual([0.8, 0.6]);
  expect(target && isReached(target)).toBe(true);
  expect(report(SOME).targets).toContainEqual([
    ...['Redis ÷ bare Node.js gate', 'at least 0.65', '0.70', '0.60–0.80', 'reached'],
  ]);
});

test('targets: lower and upper bounds', () => {
  const reached = (what: string) => {
    const target = measured(what);
    return target && isReached(target);
  };
  expect(reached('Redis ÷ bare Node.js gate')).toBe(true);
  expect(reached('1,000,000 live tokens ÷ 1,000')).toBe(false);
  expect(reached('issued and used once, Redis ÷ Django')).toBe(false);
  expect(reached('memory at full load, MB')).toBe(false);
  expect(reached('memory idle, MB')).toBe(true);
  expect(reached('100 downloads, Redis ÷ bare nginx')).toBeUndefined();
});

test('targets: CPU time of streaming is extrapolated to the whole file', () => {
  // 2 s for 100 bytes are 40 s for 2000.
  expect(measured('100 downloads, CPU of Postern ÷ Express')?.rounds).toEqual([0.1 / 40]);
});

test('page: Postern is compared within each round, and only with what was measured', () => {
  const own = { own: [served(40), served(60)], bare: [], redis: [served(80), served(30)] };
  const { decide } = readersTables({ ...NONE, serve: own });
  expect(decide?.slice(1)).toEqual([
    ['20 lines of Node.js, auth_request', '1.25', '0.50–2.00', '1.00'],
  ]);
  expect(readersTables(NONE)).toEqual({});
});

test('page: a way to run Postern has its rate, its CPU time, the rate of a full core, and its latency', () => {
  // 20 µs of the service are 50,000 requests in a second.
  expect(stepsTable({ redis: [served(40_000)] })).toEqual([
    expect.any(Array),
    ['one Redis', '40,000', '40,000–40,000', '10', '20', '–', '50,000', '1.00', '2.00'],
  ]);
});

test('scaling: many tokens need memory by the largest kind, and traffic by the busiest', () => {
  const small = { title: 'small', memory: 100, issue: 200, use: undefined, revoke: 50 };
  const counted = { title: 'counted', memory: 300, issue: 200, use: 700, revoke: 100 };
  expect(grantsTable([small, counted]).at(-1)).toEqual(['counted', '300', '200', '700', '100']);
  expect(liveTable([small, counted]).at(-1)).toEqual([
    ...['100,000,000', '10.0', '30.0', '3', '27,778', '27.8'],
  ]);
});

/** The rows of a table that the benchmark wrote, by their first cell. */
function written(page: string, name: string): Map<string, readonly string[]> {
  const text = textOf(page).split(`<!-- bench:${name} -->\n`)[1]?.split('<!-- /bench -->')[0] ?? '';
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  const cells = rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  expect(cells.length, `${page}: ${name}`).toBeGreaterThan(0);
  return new Map(cells.map(([first = '', ...others]) => [first, others]));
}

test('pages: performance.md and its pictures have the figures of results.md', () => {
  const [page, results] = ['docs/understand/performance.md', 'bench/results.md'];
  const machine = written(results, 'machine');
  const [[date, run] = ['', []]] = [...written(page, 'run')];
  const of = (name: string) => machine.get(name)?.[0];
  const [cpu, nginx, node, , load] = run;
  const expected = ['date', 'cpu', 'nginx', 'node', 'load'].map(of);
  expect([date, cpu, nginx, node, load]).toEqual(expected);
  const serve = written(results, 'serve');
  const steps = written(page, 'steps');
  for (const [id, title] of Object.entries(STEPS)) {
    const row = VARIANTS.find((variant) => variant.id === id)?.title ?? '';
    expect(steps.get(title)?.slice(0, 2), title).toEqual(serve.get(row)?.slice(0, 2));
  }
  const downloads = new Map([
    ...written(results, 'download'),
    ...written(results, 'downloadWhole'),
  ]);
  for (const [picture, rows, column] of [
    ['small-file.svg', serve, 0],
    ['fresh-tokens.svg', written(results, 'fresh'), 0],
    ['downloads-cpu.svg', downloads, 5],
  ] as const) {
    const svg = textOf(`docs/pictures/${picture}`);
    for (const [name, cells] of rows) {
      if (/\d/.test(cells[column] ?? '')) expect(svg, name).toContain(`>${cells[column]} `);
    }
  }
});

test('pages: questions.md says in words what performance.md has in figures', () => {
  const words = textOf('docs/understand/questions.md').replace(/\s+/g, ' ');
  expect(words).toContain('20 lines of your own serve [more requests than Postern]');
  expect(words).toContain('Lua or njs in nginx several times as many, and Django far fewer');
  const decide = written('docs/understand/performance.md', 'decide');
  for (const [name, [requests]] of decide) {
    const ratio = Number(requests);
    if (/^20 lines/.test(name)) expect(ratio, name).toBeLessThan(1);
    if (/^(?:Lua|njs)/.test(name)) expect(ratio, name).toBeLessThan(0.6);
    if (/^Django/.test(name)) expect(ratio, name).toBeGreaterThan(3);
  }
});
