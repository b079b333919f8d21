import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startNginx } from '../harness/nginx.ts';
import { startRedis } from '../harness/redis.ts';
import { startService } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi, ENV } from '../support/ask-service.ts';
import { placed, written } from '../support/cli/machine.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest, forTest } from '../support/for-test.ts';

// Gates without an API, as in containers, and one instance with an API that nginx does not ask.

// Long time limits, because the test does not measure how fast a busy machine is.
const start = (env: Record<string, string>) =>
  forTest(startService({ env: { ...ENV, POSTERN_STORE_TIMEOUT_MS: '10000', ...env } }));

async function startGate(name: string, folder: string, store: string) {
  await mkdir(join(folder, `postern-${name}`));
  const begin = () =>
    start({
      POSTERN_LISTEN: `unix:${folder}/postern-${name}/gate.sock`,
      POSTERN_API_LISTEN: 'off',
      POSTERN_API_KEYS: '',
      POSTERN_STORE: store,
      POSTERN_LOG_LEVEL: 'debug',
    });
  let service = await begin();
  return {
    /** The number of requests that it has allowed since its start. */
    allowed: () => service.stdout().split('"code":"allow"').length - 1,
    async kill() {
      service.signal('SIGKILL');
      await service.stop();
    },
    async start() {
      service = await begin();
    },
  };
}

test('instances: each of two gates opens a token of the API, also if the other is killed', async () => {
  const redis = await forTest(startRedis());
  const folder = await folderForTest();
  const gates = [
    await startGate('1', folder, redis.url),
    await startGate('2', folder, redis.url),
  ] as const;
  const api = await start({ POSTERN_STORE: redis.url });

  const nginx = await forTest(
    startNginx({
      config: (context) => {
        const files = written({
          upstream: ['1', '2'].map((name) => `unix:${folder}/postern-${name}/gate.sock`),
          files: [join(context.dir, 'files')],
        });
        return placed(files, context);
      },
    }),
  );
  await writeFiles(join(nginx.dir, 'files'), { a: 'file a' });

  const json = { path: '/download/a', expires_in: 600 };
  const url: string = (await askApi(api, 'POST /tokens', { json })).body.url;
  const ask = async (path: string) => {
    const response = await fetch(nginx.url(path));
    return [response.status, await response.text()] as const;
  };
  /** Several at a time, as from many clients. */
  const download = async (count: number) => {
    const replies = await Promise.all(Array.from({ length: count }, () => ask(url)));
    expect(replies).toEqual(replies.map(() => [200, 'file a']));
  };
  /** Both gates allow, also after a restart, when nginx has to notice that the gate is back. */
  const bothAllow = async () => {
    const before = gates.map((gate) => gate.allowed());
    const more = async () => {
      await download(8);
      return gates.every((gate, i) => gate.allowed() > (before[i] ?? 0));
    };
    await waitFor(more, { what: 'both gates to allow a request' });
  };

  await bothAllow();
  for (const gate of gates) {
    const under = download(32);
    await gate.kill();
    await under;
    for (let round = 0; round < 8; round += 1) await download(8);
    await gate.start();
    await bothAllow();
  }
  expect((await ask('/download/a'))[0]).toBe(401);
  // No gate runs, and nginx does not ask the instance with the API.
  for (const gate of gates) await gate.kill();
  expect((await ask(url))[0]).toBe(503);
});
