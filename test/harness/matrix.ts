// Runs the tests that depend on a version on other versions: `npm run test:matrix -- node-24 nginx`.
// Without arguments: all rows. nginx, Redis and Valkey are those on PATH, or Debian's.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { Tool } from './find-on-path.ts';
import { findNpmProgram } from './npm-programs.ts';
import { projectRoot, temporaryFolder } from './paths.ts';
import { tryRun } from './run.ts';
import { findTool, type ToolName } from './tools.ts';

/** A row that takes longer has failed. */
const MAX_MINUTES = 20;

interface Row {
  /** Which Node.js runs the tests. Default: the one that runs this script. */
  readonly node?: '20' | '22' | '24' | '26';
  /** The program whose version is shown. */
  readonly tool?: ToolName;
  /** The name under which the tests find this program. Default: its own. */
  readonly insteadOf?: ToolName;
  /** The arguments of each run of Vitest: projects and files. */
  readonly runs: readonly string[];
}

/** Tests without servers; then start, signals, sockets, each store, nginx, and the installation as a container. */
const ON_NODE = [
  '--project unit',
  '--project core --project servers --project install test/process/ test/cli/serve ' +
    'test/store/redis/contract test/store/redis/tls test/nginx/smoke test/docs/docker',
];
const ON_NGINX = [
  '--project core --project servers test/nginx/ test/clients/ test/cli/ test/doctor/',
];
const ON_STORE = ['--project core --project servers test/store/ test/cli/token/'];

const ROWS: Readonly<Record<string, Row>> = {
  ...Object.fromEntries(
    (['20', '22', '24', '26'] as const).map((node) => [`node-${node}`, { node, runs: ON_NODE }]),
  ),
  nginx: { tool: 'nginx', runs: ON_NGINX },
  redis: { tool: 'redis-server', runs: ON_STORE },
  valkey: { tool: 'valkey-server', insteadOf: 'redis-server', runs: ON_STORE },
};

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => ROWS[name] === undefined);
  if (unknown !== undefined) {
    process.stderr.write(`unknown row ${unknown}: ${Object.keys(ROWS).join(', ')}\n`);
    return 2;
  }
  const lines: string[] = [];
  let failed = 0;
  for (const [name, row] of Object.entries(ROWS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const started = performance.now();
    const { version, ok } = await test(row);
    const seconds = Math.round((performance.now() - started) / 1000);
    lines.push(`${ok ? '✓' : '✗'} ${name.padEnd(8)} ${version}, ${seconds} s`);
    if (!ok) failed += 1;
  }
  process.stdout.write(`\n${lines.join('\n')}\n`);
  return failed === 0 ? 0 : 1;
}

/** The Node.js that runs this script, if `major` is absent. */
async function findNode(major: Row['node']): Promise<string> {
  const isThis = major === undefined || process.versions.node.startsWith(`${major}.`);
  return isThis ? process.execPath : findNpmProgram(`node-${major}`);
}

async function test({
  node,
  tool,
  insteadOf,
  runs,
}: Row): Promise<{ version: string; ok: boolean }> {
  const bin = dirname(await findNode(node));
  const version = await versionOf(tool, bin);
  process.stdout.write(`\n${version}\n`);
  const folder = await temporaryFolder();
  try {
    if (tool && insteadOf) await writeAlias(join(folder, insteadOf), await findTool(tool));
    const path = [folder, bin, process.env.PATH ?? ''].join(delimiter);
    for (const run of runs) {
      if (!(await vitest(run, join(bin, 'node'), path))) return { version, ok: false };
    }
    return { version, ok: true };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A program that runs another one. */
async function writeAlias(file: string, { path, env }: Tool): Promise<void> {
  const set = Object.entries(env).map(([name, value]) => `export ${name}='${value}'\n`);
  await writeFile(file, `#!/bin/sh\n${set.join('')}exec '${path}' "$@"\n`, { mode: 0o755 });
}

async function versionOf(tool: ToolName | undefined, bin: string): Promise<string> {
  const { path, env } = tool ? await findTool(tool) : { path: join(bin, 'node'), env: {} };
  const { output } = await tryRun(path, [tool === 'nginx' ? '-v' : '--version'], env);
  return `${tool ? '' : 'Node.js '}${output.split('\n')[0]}`;
}

async function vitest(args: string, node: string, path: string) {
  const script = join(projectRoot, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(node, [script, 'run', ...args.split(' ')], {
    // With CI, a test fails if a program is missing. An image need not have all programs.
    env: { ...process.env, PATH: path, CI: '' },
    cwd: projectRoot,
    stdio: 'inherit',
    timeout: MAX_MINUTES * 60_000,
  });
  const [code] = await once(child, 'exit');
  return code === 0;
}

process.exitCode = await main(process.argv.slice(2));
