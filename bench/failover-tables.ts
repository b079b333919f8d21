import { spawnSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot, temporaryFolder } from '../test/harness/paths.ts';

// `npm --prefix bench run failover` causes each failure under load, and writes the tables to bench/failover/results.md.

/** What bench/failover/measure.ts writes. */
interface Measured {
  readonly what: string;
  readonly rows: ReadonlyArray<
    Readonly<Record<'topology' | 'scenario', string>> &
      Readonly<Record<'replicas' | 'times' | (typeof NUMBERS)[number], number>>
  >;
}

const NUMBERS = [
  ...(['lookUpOutage', 'acknowledgedOutage', 'lostRevocations'] as const),
  ...(['lostRedemptions', 'lostTokens'] as const),
] as const;

const HEAD = `| failure | outage of look-ups, s | of acknowledged writes, s | lost revocations | lost redemptions | lost tokens |
| --- | --: | --: | --: | --: | --: |`;

const FILE = join(projectRoot, 'bench/failover/results.md');

const folder = await temporaryFolder();
const runs = ['run', '--project', 'failover-runs', '--no-file-parallelism'];
const seed = String(Math.floor(Math.random() * 2 ** 32));
const usual = { FAILOVER_KILLS: '20', FAILOVER_PLANNED: '10', FAILOVER_SEED: seed };
const { status } = spawnSync('npx', ['vitest', ...runs], {
  cwd: projectRoot,
  env: { ...usual, ...process.env, FAILOVER_ROWS: folder },
  stdio: 'inherit',
});
const files = (await readdir(folder)).sort();
const measured = await Promise.all(
  files.map(async (file): Promise<Measured> => {
    return JSON.parse(await readFile(join(folder, file), 'utf8'));
  }),
);
const rows = measured.flatMap((each) => each.rows);

function table(topology: string): string {
  const own = rows.filter((row) => row.topology === topology);
  const lines = [...new Set(own.map(({ scenario }) => scenario))].map((scenario) => {
    const both = own
      .filter((row) => row.scenario === scenario)
      .sort((a, b) => a.replicas - b.replicas);
    const [{ times = 1 } = {}] = both;
    const cells = NUMBERS.map((name) =>
      both.map((row) => (name.endsWith('Outage') ? seconds(row[name]) : row[name])).join('/'),
    );
    return `| ${[times > 1 ? `${scenario}, ${times} times` : scenario, ...cells].join(' | ')} |`;
  });
  return `**${topology}**\n\n${[HEAD, ...lines].join('\n')}\n`;
}

const seconds = (ms: number) => (ms === 0 ? '–' : (ms / 1000).toFixed(1));

const [before] = (await readFile(FILE, 'utf8')).split('\nMeasured on ');
const day = new Date().toISOString().slice(0, 10);
const setups = [...new Set(measured.map(({ what }) => what))].join('; ');
const how = `Measured on ${day} with Node.js ${process.versions.node}; ${setups}.`;
const tables = [...new Set(rows.map(({ topology }) => topology))].sort().reverse().map(table);
// A part of the failures does not replace the tables of all.
if (rows.length > 0 && process.env.FAILOVER_ONLY === undefined)
  await writeFile(FILE, `${before}\n${[how, ...tables].join('\n\n')}`);
process.exitCode = status ?? 1;
