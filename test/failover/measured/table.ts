import type { Operation } from './checker.ts';
import type { Scenario } from './scenario.ts';

/** What one scenario gave. */
export interface Row {
  readonly topology: string;
  /** POSTERN_STORE_REPLICAS. */
  readonly replicas: number;
  readonly scenario: string;
  readonly times: number;
  readonly requests: number;
  /** Responses 503. */
  readonly unavailable: number;
  /** The longest outage of look-ups, and of revocations and redemptions, in milliseconds. */
  readonly lookUpOutage: number;
  readonly confirmedOutage: number;
  readonly lostRevocations: number;
  readonly lateRevocations: number;
  readonly lostRedemptions: number;
  readonly lostTokens: number;
  readonly wronglyOpened: number;
  readonly forged: number;
  /** Responses with a status that no client expects. */
  readonly other: number;
  /** Of both instances, in bytes. */
  readonly memory: readonly [before: number, after: number];
}

const COLUMNS: ReadonlyArray<readonly [title: string, cell: (row: Row) => string | number]> = [
  ['failure', ({ scenario, times }) => (times > 1 ? `${scenario}, ${times} times` : scenario)],
  ['`n`', ({ replicas }) => replicas],
  ['requests', ({ requests }) => requests],
  ['503', ({ unavailable }) => unavailable],
  ['outage of look-ups', ({ lookUpOutage }) => seconds(lookUpOutage)],
  ['of confirmed writes', ({ confirmedOutage }) => seconds(confirmedOutage)],
  ['lost revocations', ({ lostRevocations }) => lostRevocations],
  ['lost redemptions', ({ lostRedemptions }) => lostRedemptions],
  ['lost tokens', ({ lostTokens }) => lostTokens],
  ['wrongly opened', ({ wronglyOpened }) => wronglyOpened],
  ['memory, MiB', ({ memory }) => memory.map((bytes) => Math.round(bytes / 2 ** 20)).join(' → ')],
];

function seconds(milliseconds: number): string {
  return milliseconds === 0 ? '–' : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** In Markdown, a table for each topology. */
export function tables(rows: readonly Row[]): string {
  const topologies = [...new Set(rows.map(({ topology }) => topology))];
  return topologies
    .map((topology) => {
      const scenarios = rows.filter((row) => row.topology === topology);
      // Together what differs only in the setting.
      const names = [...new Set(scenarios.map(({ scenario }) => scenario))];
      const own = names.flatMap((name) =>
        scenarios
          .filter(({ scenario }) => scenario === name)
          .sort((a, b) => a.replicas - b.replicas),
      );
      const cells = [
        COLUMNS.map(([title]) => title),
        COLUMNS.map((_, i) => (i === 0 ? '---' : '--:')),
        ...own.map((row) => COLUMNS.map(([, cell]) => String(cell(row)))),
      ];
      return `**${topology}**\n\n${cells.map((line) => `| ${line.join(' | ')} |\n`).join('')}`;
    })
    .join('\n');
}

const BEGIN = '<!-- The tables: written by npm run test:failover -->\n';
const END = '<!-- End of the tables -->\n';

/** Replaces the tables of a page. */
export function replaceTables(page: string, text: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined)
    throw new Error(`no ${BEGIN.trim()} … ${END.trim()}`);
  return `${before}${BEGIN}\n${text}\n${END}${after}`;
}

/** Failures with less than this between them are one outage. */
const GAP_MS = 1000;

/** A revocation, or a request with a single-use token. Where replicas confirm, they confirm these. */
export function isConfirmed(operation: Operation): boolean {
  return operation.op === 'revoke' || (operation.op === 'open' && operation.single);
}

/** A request with another token. */
export function isLookUp(operation: Operation): boolean {
  return operation.op === 'open' && !operation.single;
}

/** The longest time, in milliseconds, in which requests got no answer again and again. */
export function longestOutage(history: readonly Operation[]): number {
  const failed = history.filter(({ outcome }) => outcome === 'unknown');
  failed.sort((a, b) => a.start - b.start);
  let longest = 0;
  let began = Number.NEGATIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const { start, end } of failed) {
    if (start > last + GAP_MS) began = start;
    last = Math.max(last, end);
    longest = Math.max(longest, last - began);
  }
  return longest;
}

/** Only against a hang: how long an outage takes on a busy machine is not asserted. */
const MAX_OUTAGE_MS = 60_000;
const MAX_GROWTH = 100 * 2 ** 20;

/** What in a row must not be, and is. */
export function problems(row: Row, { loses, isForGood }: Scenario): string[] {
  const lost = row.lostRevocations + row.lostRedemptions;
  const mayLose = row.replicas === 0 && loses !== undefined;
  const [before, after] = row.memory;
  const rules: ReadonlyArray<readonly [isBroken: boolean, problem: string]> = [
    [row.forged > 0, `${row.forged} tokens opened that nobody had issued, or another file`],
    [lost > 0 && !mayLose, `${lost} acknowledged revocations or redemptions are lost`],
    [row.wronglyOpened > 0 && !mayLose, `${row.wronglyOpened} requests were wrongly opened`],
    // The servers have lost some: a checker that finds none does not work.
    [lost === 0 && mayLose && loses === 'surely', 'the checker did not find what was lost'],
    [row.other > 0, `${row.other} responses had an unexpected status`],
    [!isForGood && row.lookUpOutage > MAX_OUTAGE_MS, `an outage of ${row.lookUpOutage} ms`],
    [after - before > MAX_GROWTH, `the memory grew from ${before} to ${after} bytes`],
  ];
  return rules.flatMap(([isBroken, problem]) => (isBroken ? [problem] : []));
}
