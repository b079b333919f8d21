import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { written } from '../cli/nginx/machine.ts';
import { startNginx } from '../harness/nginx.ts';
import { temporaryFolder } from '../harness/paths.ts';
import { startRedis } from '../harness/redis.ts';
import { type ServiceProcess, startService } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { KEY } from '../support/postern.ts';

// The set-up of docs/operate/scaling.md: gates without an API, and one instance with an API that nginx does not ask.

const ended: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

async function start(env: Record<string, string>): Promise<ServiceProcess> {
  const service = await startService({
    env: {
      POSTERN_MOUNTS: '/download/=/protected/',
      // Long time limits, because the test does not measure how fast a busy machine is.
      POSTERN_STORE_TIMEOUT_MS: '10000',
      ...env,
    },
  });
  ended.push(() => service.stop());
  return service;
}

interface Gate {
  /** The number of requests that it has allowed since its start. */
  allowed(): number;
  kill(): Promise<void>;
  start(): Promise<void>;
}

async function startGate(name: string, folder: string, store: string): Promise<Gate> {
  await mkdir(join(folder, `postern-${name}`));
  const begin = () =>
    start({
      POSTERN_LISTEN: `unix:${folder}/postern-${name}/gate.sock`,
      POSTERN_API_LISTEN: 'off',
      POSTERN_STORE: store,
    });
  let service = await begin();
  return {
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
  const redis = await startRedis();
  ended.push(() => redis.stop());
  const folder = await temporaryFolder();
  ended.push(() => rm(folder, { recursive: true }));
  const gates = [
    await startGate('1', folder, redis.url),
    await startGate('2', folder, redis.url),
  ] as const;
  const api = await start({ POSTERN_STORE: redis.url, POSTERN_API_KEYS: `web:${KEY}` });

  const nginx = await startNginx({
    config: ({ port, dir }) => {
      for (const [name, text] of written({ instances: '2', files: [join(dir, 'files')] })) {
        mkdirSync(join(dir, dirname(name)), { recursive: true });
        const here = text
          .replaceAll('unix:/run/', `unix:${folder}/`)
          .replace('listen 80;', `listen 127.0.0.1:${port};`)
          .replace('/var/log/nginx/access.log', `${dir}/site.log`);
        writeFileSync(join(dir, name), here);
      }
      return 'include conf.d/*.conf;';
    },
  });
  ended.push(nginx.stop);
  await mkdir(join(nginx.dir, 'files'));
  await writeFile(join(nginx.dir, 'files', 'a'), 'file a');

  const issued = await fetch(`http://127.0.0.1:${api.apiPort}/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: '{"path": "/download/a", "expires_in": 600}',
  });
  const { url } = (await issued.json()) as { url: string };
  const ask = async (path: string) => {
    const response = await fetch(nginx.url(path));
    return [response.status, await response.text()] as const;
  };
  /** Several at a time, as from many clients. */
  const download = async (count: number) => {
    const replies = await Promise.all(Array.from({ length: count }, () => ask(url)));
    expect(replies).toEqual(replies.map(() => [200, 'file a']));
  };
  /** Also after a restart, when nginx has to notice that the gate is back. */
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
