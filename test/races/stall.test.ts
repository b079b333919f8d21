import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startNginx } from '../harness/nginx.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi, startReady } from '../support/ask-service.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { filesServer } from './site.ts';

// Within the usual net.core.somaxconn, 4096, and more than Node's default backlog, 511.
const REQUESTS = 1500;

test('stall: a gate on a Unix socket that stalls answers all requests that have arrived', async () => {
  const folder = await folderForTest();
  const socket = join(folder, 'gate.sock');
  const env = { POSTERN_LISTEN: `unix:${socket}`, POSTERN_LOG_LEVEL: 'silent' };
  const service = await forTest(startReady(env, { stdio: 'ignore' }));
  const nginx = await startNginx({
    workers: 2,
    config: ({ port, dir }) => `
      include postern/http.conf;
      upstream postern { server unix:${socket} max_fails=3 fail_timeout=1s; keepalive 256; }
      ${filesServer('auth_request', port, dir)}`,
  });
  onTestFinished(nginx.stop);
  await writeFiles(join(nginx.dir, 'files'), { a: 'file a' });
  // A busy machine needs more time for the queue than the snippets allow.
  const gate = join(nginx.dir, 'postern', 'gate.conf');
  await writeFile(gate, (await readFile(gate, 'utf8')).replace(/(_timeout) \ds;/g, '$1 60s;'));
  await nginx.reload();

  const json = { path: '/download/a', expires_in: 600 };
  const { body } = await askApi(service, 'POST /tokens', { json });
  const clients = await Promise.all(Array.from({ length: REQUESTS }, () => openRaw(nginx.port)));
  onTestFinished(() => {
    for (const client of clients) client.close();
  });
  const ask = async (client = clients[0]) =>
    (await client?.send(requestBytes('GET', body.url)))?.status;
  expect(await ask()).toBe(200);

  service.signal('SIGSTOP');
  const statuses = clients.map((client) => ask(client));
  const waiting = async () =>
    (await readFile('/proc/net/unix', 'utf8')).split(socket).length > 0.9 * REQUESTS;
  const failed = async () => (await nginx.errorLog()).includes('connect() to unix:');
  await waitFor(async () => (await waiting()) || (await failed()), { what: 'a full queue' });
  service.signal('SIGCONT');
  expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]));
  expect(await failed()).toBe(false);
}, 120_000);
