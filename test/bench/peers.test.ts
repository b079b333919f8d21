import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Backend } from '../../bench/backend.ts';
import { VARIANTS } from '../../bench/peers/all.ts';
import { ask } from '../../bench/peers/application.ts';
import { fileOf } from '../../bench/run.ts';
import { running } from '../../bench/workloads/running.ts';
import { temporaryFolder } from '../harness/paths.ts';
import { without } from '../support/need-tool.ts';

const PEERS = ['secure-link', 'lua', 'django', 'django-stream', 'express', 'cache', 'storage'];

// running() checks that the file is served with a token, and denied without one.
test.for(PEERS)('%s serves the file only with its token', async (id, context) => {
  const variant = VARIANTS.find((each) => each.id === id);
  if (variant === undefined) throw new Error(`there is no ${id}`);
  await variant.prepare?.().catch((error: Error) => without(error.message, context));
  const folder = await temporaryFolder();
  onTestFinished(() => rm(folder, { recursive: true }));
  const files = await fileOf(folder, 1024);
  await running(variant, { files, tokens: 2 }, async ({ backend, nginx }) => {
    const log = await readFile(join(nginx.dir, 'served.log'), 'utf8');
    expect(log).toMatch(backend.site.log === 'postern' ? /"code":"allow"/ : /"GET .* 200 /);
    const status = async (path: string) => (await fetch(nginx.url(path))).status;
    expect(await status(otherFile(backend))).toBe(403);
    expect(await status(otherToken(backend))).toBeOneOf([401, 403]);
    if (backend.issue === undefined) return;
    const { path, authorization, body } = backend.issue;
    const headers = { authorization, 'content-type': 'application/json' };
    const issued = await ask({ port: nginx.port }, path, headers, body);
    expect(issued.status).toBe(201);
    const { url } = JSON.parse(issued.body) as { url: string };
    expect(backend.paths).not.toContain(url);
    expect(await status(url)).toBe(200);
    const stranger = { ...headers, authorization: `${authorization}x` };
    expect((await ask({ port: nginx.port }, path, stranger, body)).status).toBe(401);
  });
});

/** The same token with another file's name. */
const otherFile = ({ path }: Backend) => path.replaceAll('file.bin', 'other.bin');

/** The same file with an unknown token. */
const otherToken = ({ path }: Backend) =>
  path.replace(/(token=|md5=)[^&]{22,}/, (_, name: string) => `${name}${'A'.repeat(22)}`);
