import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Nginx } from '../harness/nginx.ts';
import { startOnSockets } from '../harness/on-sockets.ts';
import { textOf } from '../harness/paths.ts';
import { onFreePorts } from '../harness/ports.ts';
import { startRedis } from '../harness/redis.ts';
import type { ServiceProcess } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi, askMetrics, ENV, statusOn } from '../support/ask-service.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { KEY } from '../support/postern.ts';
import { startClients, startInstance } from '../support/racers.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { CONFIG, MOUNT, startReloadable, WEB } from '../support/reloading.ts';
import { frontForTest, modes, type SiteMode } from '../support/site.ts';
import { CACHE_CONF } from '../support/snippet.ts';

const redis = await startRedis();
afterAll(redis.stop);

type Kind = 'TCP' | 'a Unix socket';

async function startGate(kind: Kind, folder: string) {
  let address = '';
  let apiPort = 0;
  const start = () =>
    startInstance(redis.url, {
      POSTERN_LISTEN: address,
      POSTERN_API_LISTEN: `127.0.0.1:${apiPort}`,
    });
  let service = await onFreePorts(2, ([port = 0, api = 0]) => {
    address = kind === 'TCP' ? `127.0.0.1:${port}` : `unix:${join(folder, `${port}.sock`)}`;
    apiPort = api;
    return start();
  });
  onTestFinished(async () => void (await service.stop()));
  return {
    /** The address as in nginx's upstream. */
    address,
    get service() {
      return service;
    },
    /** Ends it by that signal, and starts it again. */
    async restart(by: NodeJS.Signals) {
      service.signal(by);
      await service.stop();
      service = await start();
    },
    /** How many decisions it has made since it was started. */
    async decisions() {
      const samples = [...(await askMetrics(service))];
      const counts = samples.filter(([name]) => name.startsWith('postern_decisions_'));
      return counts.reduce((sum, [, count]) => sum + count, 0);
    },
  };
}

async function issue(service: Pick<ServiceProcess, 'apiPort'>): Promise<string> {
  const json = { path: '/download/a', expires_in: 600 };
  return (await askApi(service, 'POST /tokens', { json })).body.url;
}

/** Two gates behind one nginx, which has their server lines as in nginx/nginx.conf, and clients that never stop asking. */
async function startSite(mode: SiteMode, kind: Kind) {
  const folder = await folderForTest();
  const gates = await Promise.all([startGate(kind, folder), startGate(kind, folder)]);
  const guide = textOf('docs/guides/nginx.md');
  const more = /server 10\.\S+(.*);/.exec(guide)?.[1];
  const servers = gates.map(({ address }) => `server ${address}${more};`).join('\n');
  const { port } = await frontForTest({ mode, servers: `${servers} keepalive 256;` });
  const clients = await startClients(port, await issue(gates[0].service), 32);
  await clients.progress(5);
  return { gates, clients };
}

describe.each<[SiteMode, Kind]>([
  ['auth_request', 'TCP'],
  ['X-Accel', 'a Unix socket'],
])('races: two gates by %s on %s', (mode, kind) => {
  test.each(['SIGTERM', 'SIGKILL'] as const)('ended by %s: no request fails', async (signal) => {
    const { gates, clients } = await startSite(mode, kind);
    for (const gate of gates) {
      await gate.restart(signal);
      // nginx asks it again, long before its usual ten seconds: only then may the other one go.
      const asked = async () => (await gate.decisions()) > 0;
      await waitFor(asked, { what: 'decisions', deadline: 6_000 });
      await clients.progress(5);
    }
    expect(Object.keys(await clients.stop())).toEqual(['200']);
  });

  test('one gate hangs and recovers: no request fails', async () => {
    const { gates, clients } = await startSite(mode, kind);
    gates[0].service.signal('SIGSTOP');
    await clients.progress(20);
    gates[0].service.signal('SIGCONT');
    await clients.progress(20);
    expect(Object.keys(await clients.stop())).toEqual(['200']);
  });
});

/** Processes on one socket of a supervisor, behind one server line, and clients that never stop asking. */
async function startShared(mode: SiteMode, count: number, kept: 'kept' | 'fresh') {
  const folder = await folderForTest();
  const gate = `unix:${join(folder, 'gate.sock')}`;
  const metrics = (number: number | string) => join(folder, `${number}.sock`);
  const env = {
    ...ENV,
    POSTERN_STORE: redis.url,
    POSTERN_STORE_TIMEOUT_MS: '10000',
    POSTERN_LOG_LEVEL: 'warn',
    POSTERN_METRICS_LISTEN: `unix:${metrics('%i')}`,
  };
  const { apiPort, ...service } = await onFreePorts(1, async ([apiPort = 0]) => {
    const api = `127.0.0.1:${apiPort}`;
    return { ...(await forTest(startOnSockets({ gate, api }, env, count))), apiPort };
  });
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  /** Each process listens. */
  const ready = () =>
    service.ready(
      async () => {
        const asked = numbers.map((number) => statusOn(metrics(number), '/livez'));
        return (await Promise.all(asked)).every((status) => status === 200);
      },
      { what: 'each process to be ready' },
    );
  await ready();
  const keepalive = kept === 'kept' ? 'keepalive 256;' : '';
  const nginx = await frontForTest({ mode, servers: `server ${gate}; ${keepalive}` });
  if (count === 1) await waitLonger(nginx);
  const clients = await startClients(nginx.port, await issue({ apiPort }), 32);
  await clients.progress(5);
  const signal = (at: number, by: NodeJS.Signals) => process.kill(service.pids()[at] as number, by);
  return {
    ...{ apiPort, clients, signal },
    /** Ends a process. The supervisor starts it again. */
    async restart(at: number, by: NodeJS.Signals) {
      const before = service.pids()[at];
      signal(at, by);
      await waitFor(() => service.pids()[at] !== before, { what: 'its next start' });
      await ready();
    },
  };
}

/** On a busy machine, a start takes longer than the snippets allow. `npm --prefix bench run restarts` has their limits, and bursts. */
async function waitLonger(nginx: Nginx): Promise<void> {
  const gate = join(nginx.dir, 'postern', 'gate.conf');
  await writeFile(gate, (await readFile(gate, 'utf8')).replace(/(_timeout) \ds;/g, '$1 60s;'));
  await nginx.reload();
}

/** Issues tokens one after the other, each on its own connection. `stop` returns how many requests failed. */
function startIssuing(apiPort: number) {
  let stopped = false;
  let failed = 0;
  const json = JSON.stringify({ path: '/download/a' });
  const headers = { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' };
  const once = () =>
    new Promise<boolean>((resolve) => {
      const options = { port: apiPort, path: '/tokens', method: 'POST', headers, agent: false };
      const asked = request(options, (response) => {
        response.resume().on('end', () => resolve(response.statusCode === 201));
      });
      asked.on('error', () => resolve(false)).end(json);
    });
  const done = (async () => {
    while (!stopped) if (!(await once())) failed += 1;
  })();
  return async function stop() {
    stopped = true;
    await done;
    return failed;
  };
}

describe('races: processes on one inherited socket', () => {
  test.each<[SiteMode, number, 'kept' | 'fresh']>([
    ['auth_request', 1, 'kept'],
    ['auth_request', 2, 'fresh'],
    ['X-Accel', 1, 'fresh'],
    ['X-Accel', 2, 'kept'],
  ])('by %s, %i on %s connections, ended six times: none fails', async (mode, count, kept) => {
    const { clients, restart, apiPort } = await startShared(mode, count, kept);
    const stopIssuing = startIssuing(apiPort);
    for (let i = 0; i < 6; i += 1) {
      await restart(i % count, i % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
      await clients.progress(5);
    }
    expect(Object.keys(await clients.stop())).toEqual(['200']);
    // A request may fail only if it is in flight at a SIGKILL.
    expect(await stopIssuing()).toBeLessThanOrEqual(3);
  });

  test('one of two hangs: only requests that wait in it fail, at most one of each client', async () => {
    const { clients, signal } = await startShared('auth_request', 2, 'kept');
    signal(0, 'SIGSTOP');
    await clients.progress(20);
    signal(0, 'SIGCONT');
    await clients.progress(20);
    const { 200: _, 503: waited = 0, ...others } = await clients.stop();
    expect(others).toEqual({});
    expect(waited).toBeLessThanOrEqual(32);
  });
});

// Clients that never stop asking through nginx, and one that never stops issuing tokens.
test.each([
  ...modes.map((mode) => [mode, 'no decision cache', ''] as const),
  ['auth_request', 'a decision cache', CACHE_CONF] as const,
])('races: 20 reloads under load by %s with %s: no request fails', async (mode, _, cache) => {
  const ttl = cache === '' ? {} : { decision_ttl: 1 };
  const config = { ...CONFIG, ...ttl, log_level: 'info' };
  const service = await startReloadable(config);
  const servers = `server 127.0.0.1:${service.gatePort} max_fails=3 fail_timeout=1s; keepalive 256;`;
  const { port } = await frontForTest({ mode, servers, http: cache });
  const clients = await startClients(port, await issue(service), 16);
  let stopped = false;
  const issued = new Set<number>();
  const issuing = (async () => {
    while (!stopped) issued.add((await service.issue({ path: '/download/a' })).status);
  })();
  await clients.progress(3);
  for (let i = 1; i <= 20; i += 1) {
    // Each one changes something; every fifth is invalid.
    const mounts =
      i % 2 === 0 ? [MOUNT] : [MOUNT, { public: '/media/', internal: '/media-files/' }];
    const next = { ...config, mounts, api_keys: [{ ...WEB, max_expires_in: 600 + i }] };
    const { level } = await service.apply(i % 5 === 0 ? { ...next, mounts: [] } : next);
    expect(level).toBe(i % 5 === 0 ? 'error' : 'info');
    await clients.progress(2);
  }
  stopped = true;
  await issuing;
  expect(issued).toEqual(new Set([201]));
  expect(Object.keys(await clients.stop())).toEqual(['200']);
});

// Within the usual net.core.somaxconn, 4096, and more than Node's default backlog, 511.
const REQUESTS = 1500;

test('stall: a gate on a Unix socket that stalls answers all requests that have arrived', async () => {
  const socket = join(await folderForTest(), 'gate.sock');
  const service = await forTest(startInstance('memory:', { POSTERN_LISTEN: `unix:${socket}` }));
  const servers = `server unix:${socket} max_fails=3 fail_timeout=1s; keepalive 256;`;
  const nginx = await frontForTest({ mode: 'auth_request', servers, workers: 2 });
  await waitLonger(nginx);

  const url = await issue(service);
  const clients = await Promise.all(Array.from({ length: REQUESTS }, () => openRaw(nginx.port)));
  onTestFinished(() => {
    for (const client of clients) client.close();
  });
  const ask = async (client = clients[0]) => (await client?.send(requestBytes('GET', url)))?.status;
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
});
