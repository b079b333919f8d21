import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../test/harness/paths.ts';
import { pictures } from './report/charts.ts';
import { fillIn, report, stepsTable } from './report/tables.ts';
import type { Results } from './run.ts';

const USAGE = `npm run bench:page -- FILE

  Writes the charts and tables of docs/understand/performance.md and docs/operate/scaling.md from the results of
  \`npm run bench -- --json FILE\`.
`;

const [file] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write(USAGE);
  process.exit(1);
}
const measured: { readonly machine: object; readonly results: Results } = JSON.parse(
  await readFile(file, 'utf8'),
);
const { machine, results } = measured;
const docs = join(projectRoot, 'docs');
await mkdir(join(docs, 'pictures'), { recursive: true });
for (const [name, svg] of Object.entries(await pictures(results))) {
  await writeFile(join(docs, 'pictures', name), svg);
}
const where = [['machine', ''], ...Object.entries<string>({ ...machine })];
const steps = stepsTable(results.serve);
const tables = { ...report(results), machine: where, ...(steps.length > 1 && { steps }) };
for (const name of ['understand/performance.md', 'operate/scaling.md']) {
  const page = join(docs, name);
  await writeFile(page, fillIn(await readFile(page, 'utf8'), tables));
}
for (const { title } of results.failed) {
  process.stderr.write(`not on the page, because it failed: ${title}\n`);
}
