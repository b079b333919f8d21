import { execFile } from 'node:child_process';
import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot, temporaryFolder } from '../../dev/paths.ts';

/** A file of that name, an import or an expression in it, and words of the message it earns. */
const crossings: ReadonlyArray<readonly [file: string, code: string, says: string]> = [
  ['service/domain/a.ts', "import 'node:fs'", 'nothing from outside its folder but node:crypto'],
  ['service/domain/b.ts', "import '../http/headers.ts'", 'nothing from outside its folder'],
  ['service/domain/c.ts', "import '../store/memory.ts'", 'nothing from outside its folder'],
  ['service/domain/d.ts', "import '@hono/node-server'", 'nothing from outside its folder'],
  ['service/domain/e.ts', "import 'zod'", 'nothing from outside its folder'],
  ['service/domain/f.ts', "import type {} from 'pino'", 'nothing from outside its folder'],
  ['service/domain/g.ts', "await import('node:http')", 'nothing from outside its folder'],
  ['service/store/a.ts', "import '../http/problem.ts'", 'nothing here may know of HTTP'],
  ['service/store/b.ts', "import 'hono'", 'knows nothing of HTTP'],
  ['service/store/c.ts', "import '../gate.ts'", 'nothing here may know of HTTP'],
  ['service/store/d.ts', "import '../config.ts'", 'Configuration is read once'],
  ['service/http/a.ts', "import '../store/memory.ts'", 'Stores are made in main.ts'],
  ['service/http/b.ts', "import type {} from '../config.ts'", 'Configuration is read once'],
  ['service/http/c.ts', "import '../config/listen.ts'", 'Configuration is read once'],
  ['service/http/d.ts', "import 'ioredis'", 'Only store/ talks to Redis'],
  ['service/api.ts', "import './store/open.ts'", 'Stores are made in main.ts'],
  ['service/gate.ts', "import 'hono'", 'Only api.ts and http/ know Hono'],
  ['service/config/a.ts', "import 'hono'", 'Only api.ts and http/ know Hono'],
  ['service/config/b.ts', "import '../http/problem.ts'", 'nothing here may know of HTTP'],
  ['service/config/c.ts', "import '../store/open.ts'", 'Stores are made in main.ts'],
  ['service/log.ts', "import 'vitest'", 'Only test/ uses Vitest'],
  ['service/listen.ts', "import '../dev/ports.ts'", 'must run without the tooling'],
  ['service/open.ts', "import 'ioredis'", 'Only store/ talks to Redis'],
  ['service/main.ts', "import 'hono'", 'Only api.ts and http/ know Hono'],
  ['dev/a.ts', "import 'vitest'", 'Only test/ uses Vitest'],
  ['dev/b.ts', "import 'hono'", 'Only api.ts and http/ know Hono'],
  ['bench/a.ts', "import 'ioredis'", 'Only store/ talks to Redis'],
  ['service/http/e.ts', 'process.env.HOME', "Don't use process.env"],
  ['service/http/f.ts', 'const { env } = process; env', 'global variable process'],
  [
    'service/store/e.ts',
    "import 'node:process'",
    'Only main.ts and cli/, where the program begins',
  ],
  ['service/jwt/a.ts', "import '../http/problem.ts'", 'nothing here may know of HTTP'],
  ['service/jwt/b.ts', "import '../config.ts'", 'Configuration is read once'],
  ['service/jwt/c.ts', "import '../store/open.ts'", 'Stores are made in main.ts'],
  ['service/jwt/d.ts', "import 'hono'", 'knows nothing of HTTP'],
  ['service/jwt/e.ts', "import 'ioredis'", 'Only store/ talks to Redis'],
  ['service/jwt/f.ts', 'process.env.HOME', "Don't use process.env"],
  ['service/metrics/a.ts', "import '../http/problem.ts'", 'nothing here may know of HTTP'],
  ['service/metrics/b.ts', "import '../store/memory.ts'", 'Stores are made in main.ts'],
  ['service/metrics/c.ts', "import 'hono'", 'knows nothing of requests'],
  ['service/metrics/d.ts', "import '../config.ts'", 'Configuration is read once'],
  ['service/metrics/e.ts', 'process.cpuUsage()', 'global variable process'],
  ['service/metrics.ts', "import './gate.ts'", 'nothing here may know of HTTP'],
  ['service/domain/h.ts', "import '../metrics/store.ts'", 'nothing from outside its folder'],
  ['service/http/h.ts', "import 'prom-client'", 'Only metrics.ts and metrics/ know prom-client'],
  ['service/store/g.ts', "import 'prom-client/lib/gauge.js'", 'know prom-client'],
  ['service/count.ts', "import 'prom-client'", 'Only metrics.ts and metrics/ know prom-client'],
  ['service/cli/a.ts', "import '../store/open.ts'", 'starts main.ts or works on files'],
  ['service/cli/b.ts', "await import('../api.ts')", 'starts main.ts or works on files'],
  ['service/cli/c.ts', "import 'hono'", 'starts main.ts or works on files'],
  ['service/cli/d.ts', "import 'ioredis'", 'Only store/ talks to Redis'],
  ['service/cli/e.ts', 'process.env.HOME', "Don't use process.env"],
  ['service/start.ts', "import 'commander'", 'Only cli/ uses commander'],
  ['service/store/f.ts', "import 'commander'", 'Only cli/ uses commander'],
  ['service/config/d.ts', "import '../cli/program.ts'", 'The command line is a way in'],
  ['service/http/g.ts', "import '../cli/program.ts'", 'The command line is a way in'],
  ['dev/c.ts', "import 'commander'", 'Only cli/ uses commander'],
];

/** What the same rules must let pass. */
const allowed: ReadonlyArray<readonly [file: string, code: string]> = [
  ['service/domain/y.ts', "import 'node:crypto'"],
  ['service/domain/z.ts', "import './path.ts'"],
  ['service/store/y.ts', "import 'ioredis'"],
  ['service/store/z.ts', "import '../domain/store.ts'"],
  ['service/http/y.ts', "import 'hono'"],
  ['service/http/z.ts', "import '../domain/issue.ts'"],
  ['service/config/y.ts', "import 'yaml'"],
  ['service/config.ts', "import './config/mount.ts'"],
  ['service/jwt/y.ts', "import 'jose'"],
  ['service/jwt/z.ts', "import '../domain/grant.ts';\nimport '../schema/grant.ts'"],
  ['service/metrics/y.ts', "import 'prom-client/lib/gauge.js'"],
  ['service/metrics/z.ts', "import '../domain/store.ts'"],
  ['service/cli/w.ts', "import 'commander'"],
  ['service/cli/x.ts', "await import('../main.ts')"],
  ['service/cli/y.ts', 'process.argv'],
  ['service/cli/z.ts', "import '../config/shown.ts';\nimport '../jwt/keys.ts'"],
  ['test/y.ts', "import 'vitest'"],
  ['dev/y.ts', 'process.env.HOME'],
];

interface Diagnostic {
  readonly category: string;
  readonly message: string;

  readonly location: { readonly path: string };
}

/** Biome ends with 1 where it finds anything, and that is what is wanted here. */
function lint(folder: string): Promise<readonly Diagnostic[]> {
  const biome = join(projectRoot, 'node_modules', '.bin', 'biome');
  const args = ['lint', '--reporter=json', '--max-diagnostics=none'];
  return new Promise((resolve, reject) => {
    execFile(biome, args, { cwd: folder }, (_error, stdout, stderr) => {
      try {
        resolve((JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics);
      } catch {
        reject(new Error(`Biome did not report: ${stderr}${stdout}`));
      }
    });
  });
}

describe('the linter guards each boundary, and says why', () => {
  let folder: string;
  let found: readonly Diagnostic[];

  beforeAll(async () => {
    folder = await temporaryFolder();
    for (const name of ['biome.json', 'package.json', '.gitignore']) {
      await copyFile(join(projectRoot, name), join(folder, name));
    }
    await symlink(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
    for (const [file, code] of [...crossings, ...allowed]) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), `${code};\nexport {};\n`);
    }
    found = await lint(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const messages = (file: string) =>
    found
      .filter(({ category }) => /noRestricted|noProcessEnv/.test(category))
      .filter(({ location }) => location.path.endsWith(file))
      .map(({ message }) => message);

  test.each(crossings)('%s: %s', (file, _code, says) => {
    expect(messages(file).join('\n')).toContain(says);
  });

  test.each(allowed)('%s may: %s', (file) => {
    expect(messages(file)).toEqual([]);
  });
});
