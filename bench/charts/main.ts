import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../../dev/paths.ts';
import type { Results } from '../results.ts';
import { pictures } from './pictures.ts';

const USAGE = 'npm run bench:charts -- FILE   draws what `npm run bench -- --json FILE` measured\n';

const [file] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write(USAGE);
  process.exit(1);
}
const { results } = JSON.parse(await readFile(file, 'utf8')) as { results: Results };
const folder = join(projectRoot, 'docs', 'pictures');
await mkdir(folder, { recursive: true });
for (const [name, svg] of Object.entries(pictures(results))) {
  await writeFile(join(folder, name), svg);
  process.stdout.write(`docs/pictures/${name}\n`);
}
