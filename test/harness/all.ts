import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot, temporaryFolder, textOf } from './paths.ts';
import type { Summary } from './summary.ts';

// Runs all tests. The first parts are those in which a failure is cheapest to find. Each part has one line, and its
// output if it fails.

const USAGE = `usage: npm run test:all [-- part …]            only these parts
       npm run test:all -- --not part …       all parts except these
`;

const vitest = (project: string, ...more: string[]) => [
  ...[process.execPath, join(projectRoot, 'node_modules/vitest/vitest.mjs'), 'run'],
  ...['--reporter', 'default', '--reporter', join(import.meta.dirname, 'summary.js')],
  ...['--project', project, ...more],
];

/** The tests above have run on this Node.js. */
const otherNodes = ['20', '22', '24', '26']
  .filter((major) => !process.versions.node.startsWith(`${major}.`))
  .map((major) => `node-${major}`);

/** The tests that only root can run. */
const needRoot = readdirSync(join(projectRoot, 'test'), { recursive: true, encoding: 'utf8' })
  .map((name) => join('test', name))
  .filter((name) => name.endsWith('.test.ts') && textOf(name).includes('support/need-root'));

const PARTS: Readonly<Record<string, readonly string[]>> = {
  unit: vitest('unit'),
  core: vitest('core'),
  servers: vitest('servers'),
  root: vitest('unit', '--project', 'core', '--project', 'servers', ...needRoot),
  site: ['npm', '--prefix', 'dev', 'run', '--silent', 'docs'],
  delivery: vitest('delivery'),
  s3: vitest('s3'),
  integrations: vitest('integrations'),
  browsers: vitest('browsers'),
  races: vitest('races', '--no-file-parallelism'),
  webhooks: vitest('webhooks'),
  install: vitest('install'),
  matrix: [process.execPath, join(import.meta.dirname, 'matrix.js'), ...otherNodes],
  failover: vitest('failover'),
  'failover-runs': vitest('failover-runs', '--maxWorkers', '2'),
};

/** Why a part does not run. */
function reasonAgainst(part: string, parts: readonly string[]): string | undefined {
  if (!parts.includes(part)) return 'not requested';
  if (part !== 'root') return undefined;
  if (process.getuid?.() !== 0) return 'the user is not root';
  return parts.includes('servers') ? 'the other parts run as root' : undefined;
}

/** Runs a part. Returns what it did, and its output if it failed. */
async function run([program = '', ...args]: readonly string[], file: string) {
  const env = { ...process.env, SUMMARY_FILE: file };
  const child = spawn(program, args, { cwd: projectRoot, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
  }
  const [code, signal] = await once(child, 'close');
  const output = code === 0 ? undefined : `${Buffer.concat(chunks)}exit: ${code ?? signal}\n`;
  return { output, summary: summaryIn(file) };
}

/** A part that is not a run of Vitest has none. */
function summaryIn(file: string): Summary {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { passed: 0, failed: 0, skipped: {} };
  }
}

async function main(words: readonly string[]): Promise<number> {
  const all = Object.keys(PARTS);
  const names = words.filter((word) => word !== '--not');
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    process.stderr.write(`${USAGE}unknown part ${unknown}: ${all.join(', ')}\n`);
    return 2;
  }
  const not = words.includes('--not');
  const parts = names.length === 0 ? all : all.filter((part) => names.includes(part) !== not);
  const folder = await temporaryFolder();
  /** The parts that did not run, and tests that were skipped, by the reason. */
  const notRun = new Map<string, string[]>();
  const note = (why: string, what: string) => notRun.set(why, [...(notRun.get(why) ?? []), what]);
  const failedParts: string[] = [];
  const total = { passed: 0, failed: 0 };
  for (const part of all) {
    const reason = reasonAgainst(part, parts);
    if (reason !== undefined) {
      note(reason, part);
      continue;
    }
    process.stdout.write(`${part.padEnd(14)}… `);
    const started = performance.now();
    const { output, summary } = await run(PARTS[part] ?? [], join(folder, part));
    const seconds = Math.round((performance.now() - started) / 1000);
    const counts = summary.passed + summary.failed > 0 ? `${summary.passed} passed, ` : '';
    const failures = summary.failed > 0 ? `${summary.failed} failed, ` : '';
    process.stdout.write(`${output ? '✗' : '✓'} ${counts}${failures}${seconds} s\n${output ?? ''}`);
    if (output !== undefined) failedParts.push(part);
    total.passed += summary.passed;
    // A part can fail although no test does.
    total.failed += output === undefined ? 0 : Math.max(1, summary.failed);
    for (const [why, count] of Object.entries(summary.skipped)) {
      note(why, `${count} of ${part}`);
    }
  }
  await rm(folder, { recursive: true });
  note('it takes an hour: npm run test:mutants', 'mutants');
  const lines = [...notRun].map(([why, what]) => `  ${what.join(', ')}: ${why}\n`);
  process.stdout.write(`\nnot run:\n${lines.join('')}`);
  if (failedParts.length > 0) process.stdout.write(`failed: ${failedParts.join(', ')}\n`);
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  return failedParts.length === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
