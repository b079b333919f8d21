import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { temporaryFolder } from '../test/harness/paths.ts';
import { machine } from './machine.ts';
import { readOptions, USAGE } from './options.ts';
import { writePages } from './report/page.ts';
import { aligned, report } from './report/tables.ts';
import { run } from './run.ts';

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) return void process.stdout.write(USAGE);
  if (options.page !== undefined) return writePages(options.page);
  const load = loadavg()[0] ?? 0;
  const where = { ...(await machine()), load: load.toFixed(1) };
  if (load > 0.5) {
    process.stderr.write(`The machine is busy (load ${where.load}): results will vary.\n`);
  }
  const folder = await temporaryFolder();
  // The folder is removed after Ctrl-C, too. The processes that were started end with this one.
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  process.on('SIGINT', () => process.exit(130));
  const began = performance.now();
  const results = await run(options, folder);
  const minutes = (performance.now() - began) / 60_000;
  const { quick, rounds } = options;
  const rough = quick ? '; short loads: do not compare these results with the targets' : '';
  const how = `One nginx worker; medians of ${rounds} rounds, in ${minutes.toFixed(1)} minutes${rough}`;
  const tables = [...Object.values(report(results)), Object.entries(where)];
  const parts = [how, ...tables.map(aligned)];
  process.stdout.write(`${parts.join('\n\n')}\n`);
  if (options.json) {
    const result = { machine: where, options, minutes, results };
    await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  for (const { title, reason } of results.failed) {
    process.stderr.write(`failed: ${title}: ${reason}\n`);
    process.exitCode = 1;
  }
}

main().catch((error: Error) => {
  process.stderr.write(
    `${error instanceof TypeError ? `${error.message}\n\n${USAGE}` : error.stack}\n`,
  );
  process.exit(1);
});
