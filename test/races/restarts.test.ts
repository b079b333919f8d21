import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startNginx } from '../harness/nginx.ts';
import { projectRoot, temporaryFolder } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { type Redis, startRedis } from '../harness/redis.ts';
import { type ServiceProcess, startService } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi } from '../support/ask-service.ts';
import { KEY } from '../support/postern.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { samplesOf } from '../support/samples.ts';
import { modes, type SiteMode } from '../support/site.ts';
import { filesServer } from './site.ts';

// Two gates behind one nginx, and clients that never stop asking while a gate is away.

const CLIENTS = 32;

type Kind = 'TCP' | 'a Unix socket';

let redis: Redis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const ended: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

interface Gate {
  /** As in nginx's upstream. */
  readonly address: string;
  readonly service: ServiceProcess;
  /** Ends it by that signal, and starts it again. */
  restart(by: NodeJS.Signals): Promise<void>;
  /** How many decisions it has made since it was started. */
  decisions(): Promise<number>;
}

async function startGate(kind: Kind, folder: string): Promise<Gate> {
  const [port, apiPort] = await freePorts(2);
  const tcp = `127.0.0.1:${port}`;
  const address = kind === 'TCP' ? tcp : `unix:${join(folder, `${port}.sock`)}`;
  const start = () =>
    startService({
      env: {
        POSTERN_LISTEN: address,
        POSTERN_API_LISTEN: `127.0.0.1:${apiPort}`,
        POSTERN_STORE: redis.url,
        POSTERN_STORE_TIMEOUT_MS: '10000',
        POSTERN_MOUNTS: '/download/=/protected/',
        POSTERN_API_KEYS: `web:${KEY}`,
        POSTERN_LOG_LEVEL: 'silent',
      },
      stdio: 'ignore',
    });
  let service = await start();
  ended.push(() => service.stop());
  return {
    address,
    get service() {
      return service;
    },
    async restart(by) {
      service.signal(by);
      await service.stop();
      service = await start();
    },
    async decisions() {
      const text = await (await fetch(`http://127.0.0.1:${service.apiPort}/metrics`)).text();
      const counts = [...samplesOf(text)].filter(([name]) => name.startsWith('postern_decisions_'));
      return counts.reduce((sum, [, count]) => sum + count, 0);
    },
  };
}

/** Two gates, and nginx with their server lines as nginx/nginx.conf has them. */
async function startSite(mode: SiteMode, kind: Kind) {
  const folder = await temporaryFolder();
  ended.push(() => rm(folder, { recursive: true }));
  const gates = await Promise.all([startGate(kind, folder), startGate(kind, folder)]);
  const conf = await readFile(join(projectRoot, 'nginx', 'nginx.conf'), 'utf8');
  const more = /server unix:\S+(.*);/.exec(conf)?.[1];
  const nginx = await startNginx({
    config: ({ port, dir }) => `
      keepalive_requests 1000000;
      include postern/http.conf;
      upstream postern {
        ${gates.map(({ address }) => `server ${address}${more};`).join('\n')}
        keepalive 256;
      }
      ${filesServer(mode, port, dir)}`,
  });
  ended.push(nginx.stop);
  await mkdir(join(nginx.dir, 'files'));
  await writeFile(join(nginx.dir, 'files', 'a'), 'file a');
  const { body } = await askApi(gates[0].service, 'POST /tokens', {
    json: { path: '/download/a', expires_in: 600 },
  });
  return { gates, port: nginx.port, url: body.url as string };
}

/** Clients that ask, each on its connection, until `stop`, which counts the answers by status. */
async function startClients(port: number, url: string) {
  let stopped = false;
  const statuses: Record<number, number> = {};
  const turns = Array.from({ length: CLIENTS }, () => 0);
  const request = requestBytes('GET', url);
  const all = turns.map(async (_, client) => {
    const connection = await openRaw(port);
    for (; !stopped; turns[client] = (turns[client] ?? 0) + 1) {
      const { status } = await connection.send(request);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
    connection.close();
  });
  return {
    /** Each client has so many answers more. */
    async progress(count: number) {
      const before = [...turns];
      const has = () => turns.every((turn, client) => turn >= (before[client] ?? 0) + count);
      await waitFor(has, { what: 'the clients to get answers', deadline: 30_000 });
    },
    async stop() {
      stopped = true;
      await Promise.all(all);
      return statuses;
    },
  };
}

const kinds: readonly Kind[] = ['TCP', 'a Unix socket'];

describe.each(modes.flatMap((mode) => kinds.map((kind) => [mode, kind] as const)))(
  'races: two gates by %s on %s',
  (mode, kind) => {
    test.each(['SIGTERM', 'SIGKILL'] as const)(
      'ended in turn by %s and started again: no request fails',
      async (signal) => {
        const { gates, port, url } = await startSite(mode, kind);
        const clients = await startClients(port, url);
        await clients.progress(5);
        for (const gate of gates) {
          await gate.restart(signal);
          // nginx asks it again, long before its usual ten seconds: only then may the other one go.
          const asked = async () => (await gate.decisions()) > 0;
          await waitFor(asked, { what: 'decisions', deadline: 6_000 });
          await clients.progress(5);
        }
        expect(Object.keys(await clients.stop())).toEqual(['200']);
      },
      90_000,
    );

    test('one gate hangs and recovers: no request fails', async () => {
      const { gates, port, url } = await startSite(mode, kind);
      const clients = await startClients(port, url);
      await clients.progress(5);
      gates[0].service.signal('SIGSTOP');
      await clients.progress(20);
      gates[0].service.signal('SIGCONT');
      await clients.progress(20);
      expect(Object.keys(await clients.stop())).toEqual(['200']);
    }, 90_000);
  },
);
