import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNginx } from '../harness/nginx.ts';
import { findNpmProgram, type NpmProgram } from '../harness/npm-programs.ts';
import { temporaryFolder } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { launch } from '../harness/process.ts';
import { placed } from '../support/cli/machine.ts';
import { forTest } from '../support/for-test.ts';
import { type Packed, pack } from '../support/install/packed.ts';
import { KEY } from '../support/postern.ts';

// What a new user does with the package: on a machine with only Node.js and nginx, as an ordinary user, in
// an empty folder, and without a network.

const MINUTE = 60_000;
const NOBODY = 65_534;

let folder: string;
let packed: Packed;
beforeAll(async () => {
  folder = await temporaryFolder();
  // Another user must be able to read it.
  await chmod(folder, 0o755);
  packed = await pack(folder);
}, 3 * MINUTE);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** An ordinary user, nobody if the tests run as root, with a folder that is empty except for `bin/node`. */
async function createUser(program: NpmProgram) {
  const home = await mkdtemp(join(folder, `${program}-`));
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await chown(home, NOBODY, NOBODY);
  const bin = join(folder, program);
  await mkdir(bin, { recursive: true });
  await copyFile(await findNpmProgram(program), join(bin, 'node'));
  await chmod(join(bin, 'node'), 0o755);
  // npm and npx start with the first `node` on the PATH.
  const env: Record<string, string> = {
    HOME: home,
    PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
    npm_config_offline: 'true',
  };
  const other = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  /** A command line of the user, as root would start it. */
  const command = (words: readonly string[]) => {
    const [path = '', ...args] = [...(isRoot ? other : []), ...words];
    return { path, args };
  };
  function run(...words: string[]): Promise<string> {
    const { path, args } = command(words);
    return new Promise((resolve, reject) => {
      execFile(path, args, { cwd: home, env, maxBuffer: 1e8 }, (error, stdout, stderr) => {
        if (error) reject(new Error(`${words.join(' ')}: ${stdout}${stderr}`));
        else resolve(stdout);
      });
    });
  }
  return { home, env, command, run };
}

test('package: contains no tests, sources or tools, and has no dependencies', async () => {
  const parts = new Set(packed.files.map((path) => path.replace(/^(dist\/[^/]*|[^/]*).*/, '$1')));
  expect([...parts].sort()).toEqual([
    ...['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'deploy', 'dist/chunks'],
    ...['dist/cli', 'dist/client', 'dist/service', 'nginx', 'package.json'],
  ]);
  expect(packed.files.filter((path) => /(?<!\.d)\.ts$|\.map$/.test(path))).toEqual([]);
  expect(packed.files).toContain('dist/chunks/LICENSES.txt');
  // 507 kB and 114 files when it was written.
  expect(packed.size).toBeLessThan(700_000);
  expect(packed.files.length).toBeLessThan(160);

  const { home, run } = await createUser('node-20');
  await run('npm', 'init', '--yes');
  await run('npm', 'install', packed.tarball);
  expect(await readdir(join(home, 'node_modules'))).toEqual([
    '.bin',
    '.package-lock.json',
    'postern',
  ]);
});

describe.sequential.each<NpmProgram>(['node-20', 'node-22', 'node-24', 'node-26'])(
  '%s',
  (program) => {
    test(
      'npx postern: from the package to the first protected file',
      async () => {
        const { home, env, command, run } = await createUser(program);
        const npx = ['npx', '--yes', `--package=${packed.tarball}`, '--', 'postern'];
        expect(await run('id', '-u')).not.toBe('0\n');
        expect(await run('node', '--version')).toMatch(`v${program.slice('node-'.length)}.`);

        const files = join(home, 'files');
        await run('mkdir', files);
        await writeFile(join(files, 'hello.txt'), 'hello\n');
        await chmod(join(files, 'hello.txt'), 0o644);
        const [gate, api] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`) as [
          string,
          string,
        ];
        Object.assign(env, {
          POSTERN_MOUNTS: '/download/=/protected/',
          POSTERN_API_KEYS: `web:${KEY}`,
          POSTERN_LISTEN: gate,
          POSTERN_API_LISTEN: api,
          // `postern token` needs these.
          POSTERN_API: `http://${api}`,
          POSTERN_API_KEY: KEY,
        });

        const made = JSON.parse(await run(...npx, 'nginx', '--json', '--server', '--files', files));
        const generated = Object.entries<string>(made.files);
        const nginx = await forTest(
          startNginx({ config: (context) => placed(generated, context) }),
        );

        const { POSTERN_API, POSTERN_API_KEY, ...settings } = env as Record<string, string>;
        const serve = { name: 'npx postern serve', ...command([...npx, 'serve']) };
        const service = await forTest(launch({ ...serve, env: settings, cwd: home }));
        await service.ready(() => service.stdout().includes('"listening"'), {
          what: 'postern serve to listen',
          deadline: MINUTE,
        });

        const url = (await run(...npx, 'token', 'issue', '--path', '/download/hello.txt')).trim();
        expect(await (await fetch(nginx.url(url))).text()).toBe('hello\n');
        expect((await fetch(nginx.url('/download/hello.txt'))).status).toBe(401);
        expect((await fetch(nginx.url('/protected/hello.txt'))).status).toBe(404);
        const conf = join(nginx.dir, 'nginx.conf');
        await chmod(nginx.dir, 0o755);
        expect(await run(...npx, 'doctor', '--config', conf)).toMatch(/^✓/);

        service.signal('SIGTERM');
        await service.exited;
        expect(service.stderr()).toBe('');
        expect((await fetch(nginx.url(url))).status).toBe(503);
      },
      3 * MINUTE,
    );
  },
);
