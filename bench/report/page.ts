import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../../test/harness/paths.ts';
import type { Results } from '../run.ts';
import { pictures } from './charts.ts';
import { readersTables } from './reader.ts';
import { fillIn, report, stepsTable, type Table } from './tables.ts';

const PAGES = ['docs/understand/performance.md', 'docs/operate/scaling.md', 'bench/results.md'];

/** What `--json` writes. */
interface Measured {
  readonly machine: Readonly<Record<string, string>>;
  readonly options: { readonly rounds: number };
  readonly results: Results;
}

/** Writes the charts and tables of docs/ from the file that `--json` wrote. */
export async function writePages(file: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const { machine, options, results } = JSON.parse(text) as Measured;
  for (const [name, svg] of Object.entries(await pictures(results))) {
    await writeFile(join(projectRoot, 'docs/pictures', name), svg);
  }
  const where = [['machine', ''], ...Object.entries(machine)];
  const steps = stepsTable(results.serve);
  await fillPages({
    ...report(results),
    ...readersTables(results),
    machine: where,
    run: [
      ['date', 'processor', 'nginx', 'Node.js', 'rounds', 'load before'],
      ['date', 'cpu', 'nginx', 'node', 'rounds', 'load'].map(
        (name) => ({ ...machine, rounds: String(options.rounds) })[name] ?? '–',
      ),
    ],
    ...(steps.length > 1 && { steps }),
  });
  for (const { title } of results.failed) {
    process.stderr.write(`not on the page, because it failed: ${title}\n`);
  }
}

/** Replaces these tables in the pages that have them. */
export async function fillPages(tables: Readonly<Record<string, Table>>): Promise<void> {
  for (const name of PAGES) {
    const page = join(projectRoot, name);
    await writeFile(page, fillIn(await readFile(page, 'utf8'), tables));
  }
}
