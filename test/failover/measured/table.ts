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
