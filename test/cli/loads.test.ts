import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { postern } from './postern.ts';

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
