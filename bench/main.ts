import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { temporaryFolder } from '../dev/paths.ts';
import { machine } from './machine.ts';
import { type Files, type Measurement, measure } from './measure.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { progress } from './progress.ts';
import { summarize, table } from './report.ts';
import { NAME } from './site.ts';
import { shuffled } from './stats.ts';
import { BASES, VARIANTS, type Variant } from './variants.ts';
import { CONNECTIONS } from './wrk.ts';

const FILE_BYTES = 1024;

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) return void process.stdout.write(USAGE);
  const where = await machine();
  const load = loadavg()[0] ?? 0;
  if (load > 0.5) {
    process.stderr.write(`The machine is busy (load ${load.toFixed(1)}): figures will spread.\n`);
  }
  const folder = await temporaryFolder();
  // Also after Ctrl-C; what was started ends with us in any case.
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  process.on('SIGINT', () => process.exit(130));
  const { only } = options;
  const variants = VARIANTS.filter(({ id }) => only?.concat(BASES).includes(id) ?? true);
  const rounds = await measureAll(variants, await makeFile(folder), options);
  const rows = summarize(variants, rounds);
  const { seconds } = options;
  process.stdout.write(`${FILE_BYTES} bytes, ${CONNECTIONS} connections, one nginx worker; `);
  process.stdout.write(`medians of ${options.rounds} × ${seconds} s\n\n${table(rows)}\n\n`);
  for (const [name, value] of Object.entries(where)) {
    process.stdout.write(`${name.padEnd(8)}${value}\n`);
  }
  if (options.json) {
    const result = { machine: where, options, summary: rows, rounds };
    await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  }
}

async function makeFile(folder: string): Promise<Files> {
  const body = randomBytes(FILE_BYTES);
  const files = join(folder, 'files');
  await mkdir(files);
  await writeFile(join(files, NAME), body);
  return { folder: files, body };
}

async function measureAll(
  variants: readonly Variant[],
  files: Files,
  options: Options,
): Promise<Record<string, Measurement[]>> {
  const results: Record<string, Measurement[]> = {};
  const line = progress(options.rounds * variants.length);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const variant of shuffled(variants)) {
      line.begin(variant.title);
      const measured = await measure(variant, files, options);
      results[variant.id] = [...(results[variant.id] ?? []), measured];
    }
  }
  line.end();
  return results;
}

main().catch((error: Error) => {
  process.stderr.write(
    `${error instanceof TypeError ? `${error.message}\n\n${USAGE}` : error.stack}\n`,
  );
  process.exit(1);
});
