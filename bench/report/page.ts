import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../../test/harness/paths.ts';
import type { Results } from '../run.ts';
import { pictures } from './charts.ts';
import { readersTables } from './reader.ts';
import { fillIn, report, stepsTable, type Table } from './tables.ts';

const docs = join(projectRoot, 'docs');

/** Writes the charts and tables of docs/ from the file that `--json` wrote. */
export async function writePages(file: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const measured: { readonly machine: object; readonly results: Results } = JSON.parse(text);
  const { machine, results } = measured;
  for (const [name, svg] of Object.entries(await pictures(results))) {
    await writeFile(join(docs, 'pictures', name), svg);
  }
  const where = [['machine', ''], ...Object.entries<string>({ ...machine })];
  const steps = stepsTable(results.serve);
  await fillPages({
    ...report(results),
    ...readersTables(results),
    machine: where,
    ...(steps.length > 1 && { steps }),
  });
  for (const { title } of results.failed) {
    process.stderr.write(`not on the page, because it failed: ${title}\n`);
  }
}

/** Replaces these tables in the pages that have them. */
export async function fillPages(tables: Readonly<Record<string, Table>>): Promise<void> {
  for (const name of ['understand/performance.md', 'operate/scaling.md']) {
    const page = join(docs, name);
    await writeFile(page, fillIn(await readFile(page, 'utf8'), tables));
  }
}
