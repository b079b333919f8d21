import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findNpmProgram, type NpmProgram } from '../harness/npm-programs.ts';
import { packageFile } from '../harness/packages.ts';
import { projectRoot, temporaryFolder, textOf } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { launch } from '../harness/process.ts';
import { type ServiceProcess, startService } from '../harness/service.ts';
import { ENV } from '../support/ask-service.ts';
import { forTest } from '../support/for-test.ts';
import { pack } from '../support/install/packed.ts';
import { KEY } from '../support/postern.ts';

// postern/client from the package, in other runtimes and in TypeScript.

const MINUTE = 60_000;

let folder: string;
let service: ServiceProcess;
beforeAll(async () => {
  folder = await temporaryFolder();
  const { tarball } = await pack(folder);
  const modules = join(folder, 'node_modules', 'postern');
  await mkdir(modules, { recursive: true });
  await promisify(execFile)('tar', ['-xzf', tarball, '-C', modules, '--strip-components=1']);
  service = await startService({ env: ENV });
}, 3 * MINUTE);
afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Uses the client once, with most of its methods. */
const USE = `async function use(createClient, PosternError, url, key) {
  const postern = createClient({ url, key });
  const [a, b] = await postern.issueMany([{ path: '/download/a' }, { path: '/download/b', subject: 'é' }]);
  const { url: c } = await postern.issue({ prefix: '/download/c/' });
  const before = await postern.show(a.id);
  const after = await postern.prolong(a.id, 600);
  const { tokens } = await postern.list({ subject: 'é' });
  const { active } = await postern.introspect(b.access_token);
  const revoked = [await postern.revoke(a.id), await postern.revoke(a.id), await postern.revokeSubject('é')];
  const code = await postern.show(a.id).catch((error) => error instanceof PosternError && error.code);
  return [c.slice(0, 14), after.exp - before.exp > 400, tokens.length, active, revoked, code];
}`;

const USED = ['/download/~ps_', true, 1, true, [true, false, 1], 'not_found'];

test.each<[NpmProgram, string[]]>([
  ['node-20', []],
  ['node-26', []],
  ['deno', ['run', '--allow-net=127.0.0.1', '--no-prompt', '--node-modules-dir=manual']],
  ['bun', ['run']],
])(
  'postern/client works in %s',
  async (program, args) => {
    const script = join(folder, 'script.mjs');
    const api = `http://127.0.0.1:${service.apiPort}`;
    await writeFile(
      script,
      `import { createClient, PosternError } from 'postern/client';
     ${USE}
     console.log(JSON.stringify(await use(createClient, PosternError, '${api}', '${KEY}')));`,
    );
    const { stdout, stderr } = await promisify(execFile)(
      await findNpmProgram(program),
      [...args, script],
      { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, NO_COLOR: '1' } },
    );
    expect(JSON.parse(stdout), stderr).toEqual(USED);
  },
  3 * MINUTE,
);

test(
  'postern/client works in workerd, the runtime of an edge network',
  async () => {
    const work = await mkdtemp(join(folder, 'workerd-'));
    const client = join(folder, 'node_modules', 'postern', 'dist', 'client');
    const names = ['batches.js', 'client.js', 'errors.js', 'http.js'];
    for (const name of names) await symlink(join(client, name), join(work, name));
    await writeFile(
      join(work, 'main.js'),
      `import { createClient, PosternError } from './client.js';
     ${USE}
     const fetch = async (_, { API, KEY }) => Response.json(await use(createClient, PosternError, API, KEY));
     export default { fetch };`,
    );
    const [port] = await freePorts(1);
    const modules = ['main.js', ...names].map(
      (name) => `(name = "${name}", esModule = embed "${name}")`,
    );
    await writeFile(
      join(work, 'config.capnp'),
      `using Workerd = import "/workerd/workerd.capnp";
     const config :Workerd.Config = (
       services = [
         (name = "main", worker = .worker),
         (name = "internet", network = (allow = ["local", "private", "public"])),
       ],
       sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
     );
     const worker :Workerd.Worker = (
       compatibilityDate = "2026-01-01",
       modules = [${modules.join(', ')}],
       bindings = [
         (name = "API", text = "http://127.0.0.1:${service.apiPort}"),
         (name = "KEY", text = "${KEY}"),
       ],
     );`,
    );
    const path = await findNpmProgram('workerd');
    const env = { PATH: process.env.PATH };
    const args = ['serve', 'config.capnp'];
    const running = await forTest(launch({ name: 'workerd', path, args, env, cwd: work }));
    let answer: unknown;
    const ask = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      answer = await response?.json().catch((error) => ({ error, stderr: running.stderr() }));
      return answer !== undefined;
    };
    await running.ready(ask, { what: 'workerd to answer', deadline: MINUTE });
    expect(answer).toEqual(USED);
  },
  3 * MINUTE,
);

const tsc = join(projectRoot, 'node_modules', '.bin', 'tsc');

/** Compiles a module against the package. Rejects with the errors. */
async function compile(name: string, code: string, options: object, compiler = tsc): Promise<void> {
  const project = join(folder, name);
  await mkdir(project);
  await writeFile(join(project, 'main.ts'), code);
  const compilerOptions = {
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ target: 'es2022', lib: ['es2022', 'dom'], types: [], noEmit: true },
    ...options,
  };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  await promisify(execFile)(compiler, ['-p', project]).catch(({ stdout }) => {
    throw new Error(stdout);
  });
}

const PROGRAM = `import { createClient, PosternError, type TokenRequest } from 'postern/client';
const postern = createClient({ url: 'http://a', key: async () => 'x', retries: 1 });
const request: TokenRequest = { path: '/download/a', ip: ['::1'], subject: undefined };
export async function urlOf(): Promise<string | undefined> {
  try {
    const { exp, requesters } = await postern.show((await postern.issue(request)).id);
    const began: number | undefined = requesters?.[0]?.began;
    return String(exp + (began ?? 0));
  } catch (error) {
    return error instanceof PosternError && error.code === 'invalid_request' ? error.errors[0]?.pointer : undefined;
  }
}
// @ts-expect-error A misspelt field.
postern.issue({ path: '/download/a', max_use: 1 });
// @ts-expect-error Not a code.
export const isOdd = (error: PosternError) => error.code === 'odd';
`;

/** The main module is CommonJS in all of these but the first. */
test.each([
  ['esnext', 'bundler'],
  ['commonjs', 'bundler'],
  ['nodenext', 'nodenext'],
  ['node20', 'node16'],
])(
  'the types need no other package, with module %s and moduleResolution %s',
  async (module, moduleResolution) => {
    await compile(`${module}-${moduleResolution}`, PROGRAM, { module, moduleResolution });
  },
);

test('CommonJS: the types work in TypeScript 5 with node10, and node16 says why it rejects the package', async () => {
  const older = await packageFile('openapi', 'typescript/bin/tsc');
  await compile('node10', PROGRAM, { module: 'commonjs', moduleResolution: 'node10' }, older);
  const rejected = compile('node16', PROGRAM, { module: 'node16' });
  await expect(rejected).rejects.toThrow('TS1479');
  // What these compile to.
  const script = "console.log(typeof require('postern/client').createClient)";
  await writeFile(join(folder, 'script.cjs'), script);
  const node = await findNpmProgram('node-20');
  const { stdout } = await promisify(execFile)(node, ['script.cjs'], { cwd: folder });
  expect(stdout).toBe('function\n');
});

test('the published types are those of the source, also for jose and Hono', async () => {
  for (const name of ['hono', 'jose', 'zod', '@types']) {
    await symlink(join(projectRoot, 'node_modules', name), join(folder, 'node_modules', name));
  }
  const source = textOf('client/types.ts');
  const names = [...source.matchAll(/^export type (\w+)/gm)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(4);
  const types = join(folder, 'node_modules/postern/dist/client/types.js');
  const code = `import { Hono } from 'hono';
import { createClient } from 'postern/client';
import { redirectToFile } from 'postern/client/hono';
import { sign } from 'postern/client/sign';
import type * as Published from '${types}';
import type * as Source from '${join(projectRoot, 'client', 'types.ts')}';
type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
export const same: true[] = [
${names.map((name) => `  true satisfies Same<Published.${name}, Frozen<Source.${name}>>,`).join('\n')}
];
const postern = createClient({ url: 'http://a', key: 'x' });
new Hono().get('/:name', redirectToFile(postern, (c) => ({ path: c.req.param('name') ?? '' })));
export const signed = sign({ path: '/a', expires_in: 1 }, { key: {}, issuer: 'x', audience: 'x' });
// @ts-expect-error expires_in is required.
sign({ path: '/a' }, { key: {}, issuer: 'x', audience: 'x' });
`;
  await compile('same', code, {
    ...{ module: 'nodenext', skipLibCheck: true, allowImportingTsExtensions: true },
    ...{ lib: ['es2024', 'dom'], types: ['node'] },
  });
});
