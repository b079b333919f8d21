import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findOnPath, isProgram, type Tool } from '../find-on-path.ts';
import { libraryPath } from './library-path.ts';
import { unpackedAt } from './packages.ts';

/** The packages of Debian need this version. `python3` on PATH may be another one. */
const SYSTEM = '/usr/bin/python3';

/** Interpreters by their modules. An import of Django takes seconds on a busy machine. */
const found = new Map<string, Tool>();

/** A Python that has the modules, by itself or with Debian's packages unpacked beside it. */
export function findPython(modules: readonly string[], packages: readonly string[]) {
  const name = modules.join();
  const python = found.get(name) ?? search(modules, packages);
  if (python) found.set(name, python);
  return python;
}

function search(modules: readonly string[], packages: readonly string[]): Tool | undefined {
  const roots = packages.map(unpackedAt);
  const folders = roots.map((root) => join(root, 'usr/lib/python3/dist-packages'));
  const libraries = roots.map((root) => libraryPath(root, '')).filter(Boolean);
  const env = {
    PYTHONPATH: folders.filter((folder) => existsSync(folder)).join(delimiter),
    ...(libraries.length > 0 && { LD_LIBRARY_PATH: libraries.join(delimiter) }),
  };
  const candidates: Array<Tool | undefined> = [
    tool(findOnPath('python3')),
    tool(SYSTEM),
    tool(SYSTEM, env),
    // If the system has no Python, it was unpacked with the packages.
    ...roots.map((root) => tool(join(root, SYSTEM), env)),
  ];
  return candidates.find((one) => one !== undefined && hasModules(one, modules));
}

function tool(path: string | undefined, env: NodeJS.ProcessEnv = {}): Tool | undefined {
  return path !== undefined && isProgram(path) ? { path, env } : undefined;
}

function hasModules({ path, env }: Tool, modules: readonly string[]): boolean {
  const script = `import ${modules.join(', ')}`;
  const options = { env: { ...process.env, ...env }, stdio: 'ignore' } as const;
  return spawnSync(path, ['-c', script], options).status === 0;
}
