import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { projectRoot, textOf } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import type { ExitedEarly } from '../harness/process.ts';
import { startRedis } from '../harness/redis.ts';
import { type ServiceProcess, startService } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi, askGate, askMetrics, ENV, statusOn } from '../support/ask-service.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { needRoot } from '../support/need-root.ts';
import { openRaw, requestBytes, sendRaw } from '../support/raw.ts';
import { startCountingProxy, startProxy } from '../support/store/proxies.ts';

const start = (env: Record<string, string>) => forTest(startService({ env: { ...ENV, ...env } }));

const ask = (service: ServiceProcess) => askGate(service, `/download/a?token=ps_${'a'.repeat(32)}`);

test('SIGTERM: requests in flight are answered, the gate accepts until the API has ended, and the exit code is 0', async () => {
  const redis = await forTest(startRedis());
  const proxy = await startCountingProxy(redis.port);
  const service = await start({
    POSTERN_STORE: `redis://127.0.0.1:${proxy.port}`,
    POSTERN_STORE_TIMEOUT_MS: '10000',
  });
  await expect.poll(async () => (await ask(service)).status).toBe(401);

  redis.pause();
  const turns = proxy.turns();
  const issuing = askApi(service, 'POST /tokens', { json: { path: '/download/a' } });
  await expect.poll(() => proxy.turns()).toBeGreaterThan(turns);
  service.signal('SIGTERM');
  const refuses = (port: number) =>
    openRaw(port).then(
      ({ close }) => close(),
      () => true,
    );
  await waitFor(() => refuses(service.apiPort), { what: 'the API to end' });
  const deciding = ask(service);
  expect(await refuses(service.gatePort)).toBeUndefined();
  redis.resume();
  expect([(await deciding).status, (await issuing).status]).toEqual([401, 201]);
  expect(await service.stop()).toEqual({ code: 0, signal: null });
});

test('start: a variable that only commands use is a warning, and its value is not logged', async () => {
  const service = await start({ POSTERN_API_KEY: 'a-key-of-16-and-more' });
  const line = { level: 'warn', variables: ['POSTERN_API_KEY'] };
  await expect.poll(() => service.stdout(), { message: 'the warning' }).toContain('"variables"');
  const lines = service
    .stdout()
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text));
  expect(lines).toContainEqual(expect.objectContaining(line));
  expect(service.stdout()).not.toContain('a-key-of');
});

test('start: a Redis that cannot be reached is logged, and the service recovers by itself', async () => {
  const [port = 0] = await freePorts(1);
  const service = await start({ POSTERN_STORE: `redis://default:a-password@127.0.0.1:${port}` });
  expect((await ask(service)).status).toBe(503);
  const ready = async () => (await askApi(service, 'GET /readyz')).status;
  const up = async () => (await askMetrics(service)).get('postern_store_up');
  expect(await ready()).toBe(503);
  expect(await up()).toBe(0);
  await expect.poll(() => service.stdout()).toContain(`127.0.0.1:${port}`);
  await forTest(startRedis({ port }));
  // This must happen before the first request.
  await expect.poll(() => up(), { message: 'the connection' }).toBe(1);
  await expect.poll(async () => (await ask(service)).status, { message: 'the recovery' }).toBe(401);
  expect(await ready()).toBe(200);
  expect(service.stdout()).not.toContain('a-password');
});

test('start: the store is connected at the first request', async () => {
  const redis = await forTest(startRedis());
  // A Redis that answers slowly.
  const { port, close } = await startProxy(
    () => redis.port,
    (client, upstream) => void setTimeout(() => client.pipe(upstream).pipe(client), 100),
  );
  onTestFinished(close);
  const service = await start({
    POSTERN_STORE: `redis://127.0.0.1:${port}`,
    POSTERN_STORE_TIMEOUT_MS: '10000',
  });
  expect((await ask(service)).status).toBe(401);
});

test('metrics: /metrics contains the version and the state of the process, and simultaneous scrapes share it', async () => {
  const service = await start({});
  await ask(service);
  const samples = await askMetrics(service);
  const { version } = JSON.parse(textOf('package.json'));
  const build = `postern_build_info{version="${version}",node="${process.version}"}`;
  expect(samples.get(build)).toBe(1);
  expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(1e7);
  expect(samples.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
  const scrape = async () => (await fetch(`http://127.0.0.1:${service.apiPort}/metrics`)).text();
  // Each new text has another CPU time and event loop delay.
  const texts = await Promise.all(Array.from({ length: 60 }, scrape));
  expect(new Set(texts).size).toBeLessThan(20);
});

test('start: an address in use is reported with its setting, and an invalid header is denied and logged', async () => {
  const service = await start({});
  const api = { POSTERN_API_LISTEN: `127.0.0.1:${service.apiPort}` };
  const failed = (await start(api).catch((error: unknown) => error)) as ExitedEarly;
  expect(failed.exit.code).toBe(1);
  expect(failed.stderr).toContain('POSTERN_API_LISTEN');
  const asked = requestBytes('GET', '/auth-request', { Authorization: 'Bearer a\x01' });
  expect(await sendRaw(service.gatePort, asked)).toMatchObject({ status: 403 });
  await expect.poll(() => service.stdout(), { message: 'its line' }).toContain('"invalid_request"');
});

/** The TCP ports on which a process listens. */
async function listening(pid: number): Promise<number[]> {
  const links = (await readdir(`/proc/${pid}/fd`)).map((fd) =>
    readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''),
  );
  const own = await Promise.all(links);
  const tables = ['tcp', 'tcp6'].map((name) =>
    readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => ''),
  );
  // 0A is the state LISTEN. The sixth field behind it is the inode.
  const found = (await Promise.all(tables)).join('').matchAll(/:(\w{4}) \S+ 0A(?: +\S+){5} (\d+)/g);
  return [...found].flatMap(([, port = '', inode]) =>
    own.includes(`socket:[${inode}]`) ? [Number.parseInt(port, 16)] : [],
  );
}

describe('POSTERN_API_LISTEN=off', () => {
  const OFF = { POSTERN_API_LISTEN: 'off' };

  test('needs no API key, the gate serves /livez but not the paths of the API, and SIGINT ends it', async () => {
    const service = await start({ ...OFF, POSTERN_API_KEYS: '' });
    await expect.poll(() => service.stdout(), { message: 'its line' }).toContain('"listening"');
    const line = service.stdout().split('\n')[0] ?? '';
    expect(JSON.parse(line)).toMatchObject({ api: 'off', msg: 'listening' });
    expect((await ask(service)).status).toBe(401);
    // No key was created, and no second listener.
    expect(service.stderr()).toBe('');
    if (process.platform === 'linux') {
      expect(await listening(service.pid)).toEqual([service.gatePort]);
    }
    for (const [path, status] of Object.entries({ livez: 200, readyz: 404, metrics: 404 })) {
      expect((await fetch(`http://127.0.0.1:${service.gatePort}/${path}`)).status).toBe(status);
    }
    service.signal('SIGINT');
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await expect.poll(() => service.stdout(), { message: 'its last line' }).toContain('"stopped"');
  });

  test('metrics can have their own listener, also on a Unix socket', async () => {
    const folder = await folderForTest();
    const socketPath = join(folder, 'metrics.sock');
    await start({ ...OFF, POSTERN_METRICS_LISTEN: `unix:${socketPath}` });
    const ask = (path: string, method?: string) => statusOn(socketPath, path, method);
    for (const path of ['/metrics', '/readyz', '/livez']) expect(await ask(path)).toBe(200);
    expect(await ask('/metrics', 'POST')).toBe(405);
    for (const path of ['/tokens', '/introspect', '/auth-request', '/x-accel', '/openapi.json']) {
      expect(await ask(path)).toBe(404);
    }
    expect((await stat(socketPath)).mode & 0o777).toBe(0o660);
  });
});

test('start: without an API key one is created, shown on the terminal, and works', async () => {
  const [gate = 0, api = 0] = await freePorts(2);
  const main = join(projectRoot, 'dist/service/main.js');
  // `script` gives it a terminal.
  const child = spawn('script', ['-qec', `'${process.execPath}' '${main}'`, '/dev/null'], {
    env: {
      PATH: process.env.PATH,
      POSTERN_MOUNTS: ENV.POSTERN_MOUNTS,
      POSTERN_LISTEN: `127.0.0.1:${gate}`,
      POSTERN_API_LISTEN: `127.0.0.1:${api}`,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.on('data', (data) => {
    shown += data;
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  onTestFinished(async () => {
    child.stdin.write('\x03'); // Ctrl-C
    await gone;
  });
  await expect.poll(() => shown, { message: 'the service' }).toContain('"listening"');
  const key = /^\s+([\w-]{32})\s*$/m.exec(shown)?.[1];
  const asking = { key: key ?? '', json: { path: '/download/a.txt' } };
  expect((await askApi({ apiPort: api }, 'POST /tokens', asking)).status).toBe(201);
  expect(shown.split(key ?? '-')).toHaveLength(2);
});

/** What happens to a user of that group who connects to a socket. */
async function connectAs(gid: number, path: string): Promise<string> {
  // It changes its user itself: another user may not be able to reach the program.
  const script = `process.setgroups([]); process.setgid(${gid}); process.setuid(65534);
    const end = (text) => { console.log(text); process.exit(); };
    require('net').connect(process.argv[1]).on('connect', () => end('connected')).on('error', (e) => end(e.code));`;
  const child = spawn(process.execPath, ['-e', script, path]);
  const [said] = await once(child.stdout, 'data');
  return String(said).trim();
}

describe('start: a socket with', () => {
  const GROUP = 4711;
  const OTHERS = 65_534;
  let folder: string;
  beforeEach(async (context) => {
    // The test acts as other users, which needs root.
    needRoot(context);
    folder = await folderForTest();
    await chown(folder, 0, GROUP);
    // Every user may enter the folder, so the mode of the socket decides. Set-group-ID gives it the group.
    await chmod(folder, 0o2755);
  });

  test.each([
    [undefined, 0o660, 'connected', 'EACCES'],
    ['0600', 0o600, 'EACCES', 'EACCES'],
    ['0666', 0o666, 'connected', 'connected'],
  ])('POSTERN_SOCKET_MODE %s', async (setting, mode, group, others) => {
    const [gate, api] = [join(folder, 'gate.sock'), join(folder, 'api.sock')];
    await start({
      POSTERN_LISTEN: `unix:${gate}`,
      POSTERN_API_LISTEN: `unix:${api}`,
      ...(setting !== undefined && { POSTERN_SOCKET_MODE: setting }),
    });
    for (const path of [gate, api]) {
      const stats = await stat(path);
      expect([stats.mode & 0o777, stats.gid]).toEqual([mode, GROUP]);
      expect(await connectAs(GROUP, path)).toBe(group);
      expect(await connectAs(OTHERS, path)).toBe(others);
    }
  });
});
