import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Config, startNginx } from '../harness/nginx.ts';
import { projectRoot } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { type Redis, startRedis } from '../harness/redis.ts';
import type { ServiceProcess } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi, askMetrics } from '../support/ask-service.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { modes, type SiteMode } from '../support/site.ts';
import { startClients } from './racers.ts';
import { filesServer, startInstance } from './site.ts';

// Two gates behind one nginx, and clients that never stop asking while a gate is away.

const CLIENTS = 32;

type Kind = 'TCP' | 'a Unix socket';

let redis: Redis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

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
  const listen = { POSTERN_LISTEN: address, POSTERN_API_LISTEN: `127.0.0.1:${apiPort}` };
  const start = () => startInstance(redis.url, listen);
  let service = await start();
  onTestFinished(async () => void (await service.stop()));
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
      const samples = [...(await askMetrics(service))];
      const counts = samples.filter(([name]) => name.startsWith('postern_decisions_'));
      return counts.reduce((sum, [, count]) => sum + count, 0);
    },
  };
}

/** Two gates, and nginx with their server lines as nginx/nginx.conf has them. */
async function startSite(mode: SiteMode, kind: Kind) {
  const folder = await folderForTest();
  const gates = await Promise.all([startGate(kind, folder), startGate(kind, folder)]);
  const conf = await readFile(join(projectRoot, 'nginx', 'nginx.conf'), 'utf8');
  const more = /server unix:\S+(.*);/.exec(conf)?.[1];
  const config: Config = ({ port, dir }) => `
    keepalive_requests 1000000;
    include postern/http.conf;
    upstream postern {
      ${gates.map(({ address }) => `server ${address}${more};`).join('\n')}
      keepalive 256;
    }
    ${filesServer(mode, port, dir)}`;
  const nginx = await forTest(startNginx({ config }));
  await writeFiles(join(nginx.dir, 'files'), { a: 'file a' });
  const json = { path: '/download/a', expires_in: 600 };
  const { body } = await askApi(gates[0].service, 'POST /tokens', { json });
  return { gates, port: nginx.port, url: body.url as string };
}

const kinds: readonly Kind[] = ['TCP', 'a Unix socket'];

describe.each(modes.flatMap((mode) => kinds.map((kind) => [mode, kind] as const)))(
  'races: two gates by %s on %s',
  (mode, kind) => {
    test.each(['SIGTERM', 'SIGKILL'] as const)(
      'ended in turn by %s and started again: no request fails',
      async (signal) => {
        const { gates, port, url } = await startSite(mode, kind);
        const clients = await startClients(port, url, CLIENTS);
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
      const clients = await startClients(port, url, CLIENTS);
      await clients.progress(5);
      gates[0].service.signal('SIGSTOP');
      await clients.progress(20);
      gates[0].service.signal('SIGCONT');
      await clients.progress(20);
      expect(Object.keys(await clients.stop())).toEqual(['200']);
    }, 90_000);
  },
);
