import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { startNginx } from '../harness/nginx.ts';
import { forTest } from '../support/for-test.ts';
import { isGone } from './is-gone.ts';

const answering =
  (text: string) =>
  ({ port }: { port: number }) =>
    `server { listen 127.0.0.1:${port}; location / { return 200 "${text}"; } }`;

/** Over a new connection: a kept one ends with the worker that a reload replaces. */
function body(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false }, (response) => text(response).then(resolve, reject));
    request.on('error', reject);
  });
}

test('startNginx: a reload has taken effect when it resolves', async () => {
  const nginx = await forTest(startNginx({ config: answering('old'), workers: 2 }));
  for (const text of ['one', 'two', 'three']) {
    await nginx.reload(answering(text));
    const bodies = await Promise.all(Array.from({ length: 20 }, () => body(nginx.url('/'))));
    expect(new Set(bodies)).toEqual(new Set([text]));
  }
});

test('startNginx: a reload does not wait for a download in progress', async () => {
  const slow = (text: string) => `limit_rate 1k; root files; add_header Now ${text};`;
  const config =
    (text: string) =>
    ({ port }: { port: number }) =>
      `server { listen 127.0.0.1:${port}; ${slow(text)} }`;
  const nginx = await forTest(startNginx({ config: config('old') }));
  await mkdir(join(nginx.dir, 'files'));
  await writeFile(join(nginx.dir, 'files', 'big.bin'), Buffer.alloc(50_000_000));
  const download = await fetch(nginx.url('/big.bin'));

  await nginx.reload(config('new'));
  const after = await fetch(nginx.url('/big.bin'), { method: 'HEAD' });

  expect(download.headers.get('now')).toBe('old');
  expect(after.headers.get('now')).toBe('new');
  expect((await download.body?.getReader().read())?.done).toBe(false);
});

test('startNginx: a reload with an invalid configuration rejects and keeps the old workers', async () => {
  const nginx = await forTest(startNginx({ config: answering('old') }));
  const reload = nginx.reload(() => 'no_such_directive on;');
  await expect(reload).rejects.toThrow(/unknown directive "no_such_directive".*\| no_such/s);
  expect(await body(nginx.url('/'))).toBe('old');
  await nginx.reload(answering('new'));
  expect(await body(nginx.url('/'))).toBe('new');
});

test('startNginx: stop leaves no process and no folder', async () => {
  const nginx = await startNginx({ config: answering('x'), workers: 2 });
  await nginx.stop();
  expect(isGone(-nginx.pid)).toBe(true); // the group: master and workers
  await expect(readdir(nginx.dir)).rejects.toThrow('ENOENT');
  await expect(fetch(nginx.url('/'))).rejects.toThrow();
});

test('startNginx: an invalid configuration rejects with the message of nginx and the line', async () => {
  const starting = startNginx({ config: () => 'server {\n  listen nowhere:1:2;\n}' });
  await expect(starting).rejects.toThrow(/exited with code 1.*\[emerg\].*\| listen nowhere/s);
});
