import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from './debian/lock.ts';
import { projectRoot } from './paths.ts';
import { run } from './run.ts';

/** Programs and modules in npm packages, on Linux: the package with its version, and the file in it. */
const PROGRAMS = {
  'node-20': ['node-linux-<arch>@20.20.2', 'bin/node'],
  'node-22': ['node-linux-<arch>@22.23.3', 'bin/node'],
  'node-24': ['node-linux-<arch>@24.21.0', 'bin/node'],
  'node-26': ['node-linux-<arch>@26.10.0', 'bin/node'],
  deno: ['@deno/linux-<arch>-glibc@2.9.6', 'deno'],
  bun: ['@oven/bun-linux-<arch>@1.4.4', 'bin/bun'],
  // The runtime of Cloudflare Workers.
  workerd: ['@cloudflare/workerd-linux-<arch>@1.20261117.1', 'bin/workerd'],
  // With oauth4webapi, on which it depends.
  'openid-client': ['openid-client@6.9.0', 'build/index.js'],
  // The schemas of the Gateway API are not a program. They need packages of 25 MB, so they are not a dependency.
  'gateway-api': ['@kubernetes-models/gateway-api@2.0.0', 'index.js'],
} as const;

export type NpmProgram = keyof typeof PROGRAMS;

/** Where a package has another name for the processor than Node.js. */
const ARCHES: Readonly<Record<string, string>> = {
  'bun arm64': 'aarch64',
  'workerd x64': '64',
};

const cache = join(projectRoot, '.cache', 'npm');

/** The path of a program or module. It is downloaded into .cache/ once, and not installed. */
export async function findNpmProgram(name: NpmProgram): Promise<string> {
  const [template, file] = PROGRAMS[name];
  const spec = template.replace('<arch>', ARCHES[`${name} ${process.arch}`] ?? process.arch);
  const folder = join(cache, `${name}-${process.arch}`);
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
