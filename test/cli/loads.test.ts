import { expect, test } from 'vitest';
import { projectRoot } from '../../dev/paths.ts';
import { postern } from './postern.ts';

/** A module that `--import` takes, given as text. */
const inline = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;

/** Prints each package that is loaded. */
const hook = inline(`import { register } from 'node:module';
  register(${JSON.stringify(
    inline(`export async function resolve(name, context, next) {
      if (/^[a-z@]/.test(name) && !name.startsWith('node:')) process._rawDebug('loaded ' + name);
      return next(name, context);
    }`),
  )})`);

async function loaded(words: readonly string[]): Promise<string[]> {
  const env = {
    NODE_OPTIONS: `--import=${hook}`,
    POSTERN_MOUNTS: '/download/=/protected/',
    POSTERN_API: 'http://127.0.0.1:9',
    POSTERN_API_KEY: 'x',
  };
  const { stderr } = await postern(words, projectRoot, { env });
  const names = [...stderr.matchAll(/^loaded (\S+)$/gm)].map(([, name = '']) => name);
  // Sorted: files are read at the same time.
  return [...new Set(names.filter((name) => !/^(data|file):/.test(name)))].sort();
}

test.each([
  [['--help'], []],
  [['key', 'generate'], []],
  [['token', 'show', 'a'.repeat(22)], []],
  [['token', 'list', '--subject', 'x'], []],
  [['nginx', '--help'], []],
  [['check', '--help'], []],
  [
    ['nginx', '--files', '/srv/files'],
    ['yaml', 'zod'],
  ],
])('postern %j loads only what it needs', async (words, packages) => {
  expect(await loaded(words)).toEqual(['commander', ...packages]);
});
