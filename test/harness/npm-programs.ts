import { join } from 'node:path';
import { makeOnce } from './make-once.ts';
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
} as const;

export type NpmProgram = keyof typeof PROGRAMS;

/** Where a package has another name for the processor than Node.js. */
const ARCHES: Readonly<Record<string, string>> = {
  'bun arm64': 'aarch64',
  'workerd x64': '64',
};

/** The path of a program or module. It is downloaded into .cache/ once, and not installed. */
export async function findNpmProgram(name: NpmProgram): Promise<string> {
  const [template, file] = PROGRAMS[name];
  const spec = template.replace('<arch>', ARCHES[`${name} ${process.arch}`] ?? process.arch);
  const folder = join(projectRoot, '.cache', 'npm', `${name}-${process.arch}`);
  await makeOnce(folder, async (work) => {
    process.stderr.write(`fetching ${spec} with npm into .cache/ (once, not installed) …\n`);
    const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
    await run('npm', ['install', ...options, '--prefix', work, spec]);
  });
  return join(folder, 'node_modules', spec.replace(/@[^@/]*$/, ''), file);
}
