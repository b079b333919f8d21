import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { type Command, launch } from '../harness/process.ts';
import { startService } from '../harness/service.ts';
import { ENV } from '../support/ask-service.ts';
import { postern, program } from '../support/cli/postern.ts';
import { forTest } from '../support/for-test.ts';
import { CONFIG, configFile } from '../support/reloading.ts';

async function serve(env: NodeJS.ProcessEnv, args = [program, 'serve']) {
  const ports = await freePorts(2);
  const command: Command = {
    name: 'postern serve',
    path: process.execPath,
    args,
    env: {
      PATH: process.env.PATH,
      ...ENV,
      POSTERN_LISTEN: `127.0.0.1:${ports[0]}`,
      POSTERN_API_LISTEN: `127.0.0.1:${ports[1]}`,
      ...env,
    },
  };
  const running = await forTest(launch(command));
  await running.ready(() => running.stdout().includes('"listening"'), { what: 'the service' });
  return { ...running, api: `http://127.0.0.1:${ports[1]}` };
}

test.each([
  ['postern serve', [program, 'serve']],
  ['dist/service/main.js', [join(projectRoot, 'dist', 'service', 'main.js')]],
])('%s: answers, exits with 0 on SIGTERM, and SIGUSR1 starts no debugger', async (_, args) => {
  const service = await serve({}, args);
  service.signal('SIGUSR1');
  // Node would print the port of the debugger.
  for (let i = 0; i < 20; i += 1) expect((await fetch(`${service.api}/livez`)).status).toBe(200);
  expect(service.stderr()).toBe('');
  service.signal('SIGTERM');
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(service.stderr()).toBe('');
});

test('health: exits with 0 if each listener answers, and names those that do not', async () => {
  const { folder, path } = await configFile(CONFIG);
  const own = { POSTERN_CONFIG: path, POSTERN_LISTEN: `unix:${folder}/gate.sock` };
  const service = await forTest(startService({ env: own }));
  const env = { ...own, POSTERN_API_LISTEN: `127.0.0.1:${service.apiPort}` };
  for (const api of [env.POSTERN_API_LISTEN, `0.0.0.0:${service.apiPort}`, 'off']) {
    const ran = await postern(['health'], folder, { env: { ...env, POSTERN_API_LISTEN: api } });
    expect(ran).toEqual({ code: 0, stdout: '', stderr: '' });
  }

  const wrong = { ...env, POSTERN_LISTEN: `unix:${folder}/other.sock` };
  expect(await postern(['health'], folder, { env: wrong })).toEqual({
    code: 1,
    stdout: '',
    stderr: `postern: the gate at unix:${folder}/other.sock does not answer: no such file or directory\n`,
  });

  await service.stop();
  const { code, stderr } = await postern(['health'], folder, { env });
  expect(code).toBe(1);
  expect(stderr).toContain(`postern: the API at 127.0.0.1:${service.apiPort} does not answer: `);
});

/** A module that `--import` takes, given as text. */
const inline = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;

/** Prints each file that is loaded. */
const hook = inline(`import { register } from 'node:module';
  register(${JSON.stringify(
    inline(`export async function load(url, context, next) {
      process._rawDebug('loaded ' + url);
      return next(url, context);
    }`),
  )})`);

/** The packages in dist/chunks/ are named after their folders in node_modules/. */
const isPackage = (name: string) =>
  existsSync(join(projectRoot, 'node_modules', name.replace('_', '/')));

async function loaded(words: readonly string[], more: Record<string, string> = {}) {
  const env = {
    NODE_OPTIONS: `--import=${hook}`,
    POSTERN_MOUNTS: '/download/=/protected/',
    POSTERN_API: 'http://127.0.0.1:9',
    POSTERN_API_KEY: 'x',
    ...more,
  };
  const { stderr } = await postern(words, projectRoot, { env });
  expect(stderr).not.toContain('node_modules');
  const names = [...stderr.matchAll(/^loaded \S+\/chunks\/(\S+)\.js$/gm)].map(
    ([, name = '']) => name,
  );
  // Sorted: files are read at the same time.
  return names.filter(isPackage).sort();
}

const SERVICE = ['@hono_node-server', 'hono', 'ioredis', 'jose', 'pino', 'prom-client', 'zod'];

test('postern serve loads the packages of the service from its bundle, and not commander', async () => {
  // No mount: it loads everything, and ends.
  const packages = await loaded(['serve'], { POSTERN_MOUNTS: '' });
  expect(packages).toEqual(expect.arrayContaining(SERVICE));
  expect(packages).not.toContain('commander');
});

test.each([
  [['--help'], []],
  [['key', 'generate'], []],
  [['token', 'show', 'a'.repeat(22)], []],
  [['token', 'list', '--subject', 'x'], []],
  [['nginx', '--help'], []],
  [
    ['check', '--help'],
    ['leven', 'zod'],
  ],
  [
    ['nginx', '--files', '/srv/files'],
    ['leven', 'yaml', 'zod'],
  ],
])('postern %j loads only what it needs', async (words, packages) => {
  expect(await loaded(words)).toEqual(['commander', ...packages]);
});
