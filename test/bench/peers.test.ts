import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Backend } from '../../bench/backend.ts';
import { VARIANTS } from '../../bench/peers/all.ts';
import { fileOf } from '../../bench/run.ts';
import { running } from '../../bench/running.ts';
import { folderForTest } from '../support/for-test.ts';
import { without } from '../support/need-tool.ts';

const PEERS = [
  ...['secure-link', 'lua', 'lua-cache', 'njs', 'own', 'own-x-accel', 'django', 'django-stream'],
  ...['express', 'cache'],
];

// running() checks that the file is served with a token, and denied without one.
test.for(PEERS)('%s serves the file only with its token', async (id, context) => {
  const variant = VARIANTS.find((each) => each.id === id);
  if (variant === undefined) throw new Error(`there is no ${id}`);
  await variant.prepare?.().catch((error: Error) => without(error.message, context));
  const files = await fileOf(await folderForTest(), 1024);
  await running(variant, { files, tokens: 2 }, async ({ backend, nginx }) => {
    const log = await readFile(join(nginx.dir, 'served.log'), 'utf8');
    expect(log).toMatch(backend.site.log === 'postern' ? /"code":"allow"/ : /"GET .* 200 /);
    const status = async (path: string) => (await fetch(nginx.url(path))).status;
    expect(await status(otherFile(backend))).toBe(403);
    expect(await status(otherToken(backend))).toBeOneOf([401, 403]);
    if (backend.issue === undefined) return;
    const { path, authorization, body } = backend.issue;
    const ask = (key: string) => {
      const headers = { authorization: key, 'content-type': 'application/json' };
      return fetch(nginx.url(path), { method: 'POST', headers, body });
    };
    const issued = await ask(authorization);
    expect(issued.status).toBe(201);
    const { url } = (await issued.json()) as { url: string };
    expect(backend.paths).not.toContain(url);
    expect(await status(url)).toBe(200);
    expect((await ask(`${authorization}x`)).status).toBe(401);
  });
});

/** The same token with another file's name. */
const otherFile = ({ path }: Backend) => path.replaceAll('file.bin', 'other.bin');

/** The same file with an unknown token. */
const otherToken = ({ path }: Backend) =>
  path.replace(/(token=|md5=)[^&]{22,}/, (_, name: string) => `${name}${'A'.repeat(22)}`);
