import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { launch } from '../harness/process.ts';
import { waitFor } from '../harness/wait.ts';
import { forTest } from '../support/for-test.ts';
import { endpoint, foreigner, publicHalf } from '../support/jwt/issuers.ts';
import { KEY } from '../support/postern.ts';
import { openRaw } from '../support/raw.ts';
import {
  CONFIG,
  configFile,
  linesOf,
  MOUNT,
  reloads,
  sha256,
  startReloadable,
  WEB,
} from '../support/reloading.ts';

const OTHER_KEY = 'a-second-key-for-tests';
const MEDIA = { public: '/media/', internal: '/media-files/' };
const BATCH = { id: 'batch', key: sha256(OTHER_KEY) };

test('reload: mounts, API keys, limits and the log level are in force for the next request', async () => {
  const service = await startReloadable({
    ...CONFIG,
    mounts: [MOUNT, MEDIA],
    api_keys: [WEB, BATCH],
  });
  const kept = (await service.issue({ path: '/download/a' })).body.url;
  const removed = (await service.issue({ path: '/media/a' }, OTHER_KEY)).body.url;
  expect([await service.gate(kept), await service.gate(removed)]).toEqual([204, 204]);

  const line = await service.apply({
    ...CONFIG,
    api_keys: [{ ...WEB, max_expires_in: 60 }],
    expires_in: 30,
    log_level: 'error',
  });
  expect(line).toEqual({
    level: 'info',
    time: expect.any(String),
    changes: [
      ...['changed expires_in', 'changed log_level', 'removed mounts /media/'],
      ...['changed api_keys web', 'removed api_keys batch'],
    ],
    msg: 'the configuration was reloaded',
  });
  expect([await service.gate(kept), await service.gate(removed)]).toEqual([204, 403]);
  expect((await service.issue({ path: '/download/a' }, OTHER_KEY)).status).toBe(401);
  expect((await service.issue({ path: '/media/a' })).status).toBe(400);
  expect((await service.issue({ path: '/download/a', expires_in: 61 })).status).toBe(400);
  expect((await service.issue({ path: '/download/a' })).body).toMatchObject({ expires_in: 30 });
  await service.stop();
  const after = linesOf(service.stdout()).slice(-1);
  expect(after).toEqual([line]);
});

test('reload: an invalid configuration is reported with all errors, and changes nothing', async () => {
  const service = await startReloadable();
  const url = (await service.issue({ path: '/download/a' })).body.url;
  const successful = () => service.metric('postern_config_last_reload_successful');
  const time = () => service.metric('postern_config_last_reload_success_timestamp_seconds');
  const started = await time();
  expect(await successful()).toBe(1);

  const secret = 'a-secret-in-the-wrong-place';
  const wrong = { mounts: [{ ...MOUNT, public: '/x' }], api_keys: [{ id: 'web', key: secret }] };
  const line = await service.apply({ ...wrong, expires_in: 'soon' });
  expect(line).toMatchObject({
    level: 'error',
    msg: 'the configuration was not reloaded: Postern keeps the previous one',
  });
  expect(line.errors.map(({ field }: { field: string }) => field).sort()).toEqual([
    'api_keys[0].key',
    'expires_in',
    'mounts[0].public',
  ]);
  expect(line.errors[0].where).toMatch(/postern\.yaml:\d+$/);
  // The text of metrics is shared for a second.
  await expect.poll(successful).toBe(0);
  expect(await time()).toBe(started);

  for (const text of ['', 'mounts: [', 'mounts: []', 'no_such: 1']) {
    expect(await service.apply(text), text).toMatchObject({ level: 'error' });
  }
  expect(await service.gate(url)).toBe(204);
  expect((await service.issue({ path: '/download/b' })).status).toBe(201);
  expect(await service.apply(CONFIG)).toMatchObject({ level: 'info', changes: [] });
  await expect.poll(successful).toBe(1);
  expect(await time()).toBeGreaterThan(started ?? Number.NaN);
  expect(service.stdout() + service.stderr()).not.toContain(secret);
});

test('reload: settings that need a restart are named, and stay as they are', async () => {
  const service = await startReloadable();
  const url = (await service.issue({ path: '/download/a' })).body.url;
  const password = 'a-password-of-redis';
  const fixed = {
    metrics_listen: '127.0.0.1:9',
    delivery_listen: '127.0.0.1:9',
    socket_mode: '0600',
    store: `redis://:${password}@127.0.0.1:9/1`,
    store_timeout_ms: 300,
  };
  for (const leeway of [6, 7]) {
    await service.apply({ ...CONFIG, ...fixed, jwt_leeway: leeway });
    const warning = await waitFor(
      () => linesOf(service.stdout()).filter(({ level }) => level === 'warn')[leeway - 6],
      { what: 'the warning' },
    );
    expect(warning).toMatchObject({
      settings: ['socket_mode', 'store', 'store_timeout_ms', 'metrics_listen', 'delivery_listen'],
      msg: 'restart Postern to apply these settings',
    });
  }
  expect(reloads(service.stdout()).map(({ changes }) => changes)).toEqual([
    ['changed jwt_leeway'],
    ['changed jwt_leeway'],
  ]);
  expect(await service.gate(url)).toBe(204);
  // Nothing would count its bytes.
  expect((await service.issue({ path: '/download/a', max_bytes: 1 })).status).toBe(400);
  expect(service.stdout()).not.toContain(password);
});

test('reload: a JWT that was verified ends with its issuer or its key', async () => {
  const login = await endpoint();
  const app = await foreigner('app');
  const remote = await foreigner('remote');
  login.state.keys = [publicHalf(remote.jwk)];
  const entry = ({ issuer }: typeof app, keys: object) => ({
    ...{ id: issuer.id, issuer: issuer.issuer, audience: issuer.audience },
    ...{ trusted_for: 'downloads', paths: ['/download/reports/'], max_expires_in: 600, ...keys },
  });
  const service = await startReloadable();
  const keyFile = join(service.file.folder, 'app.json');
  await writeFile(keyFile, app.file.app as string);
  const both = [entry(app, { jwks_file: keyFile }), entry(remote, { jwks_uri: login.uri })];
  expect((await service.apply({ ...CONFIG, issuers: both })).changes).toEqual([
    'added issuers app',
    'added issuers remote',
    `added file ${keyFile}`,
  ]);
  const iat = Math.floor(Date.now() / 1000);
  const times = { iat, exp: iat + 300 };
  const uris = [await app.sign(times), await remote.sign(times)].map(
    (token) => `/download/reports/a?token=${token}`,
  );
  const statuses = () => Promise.all(uris.map(service.gate));
  expect(await statuses()).toEqual([204, 204]);

  // A key that the issuer has withdrawn.
  login.state.keys = [publicHalf((await foreigner('other')).jwk)];
  expect(await statuses()).toEqual([204, 204]);
  await service.reload();
  expect(await statuses()).toEqual([204, 401]);

  // The same kid with another key.
  await writeFile(keyFile, (await foreigner('app')).file.app as string);
  expect((await service.reload()).changes).toEqual([`changed file ${keyFile}`]);
  expect(await statuses()).toEqual([401, 401]);
  await writeFile(keyFile, app.file.app as string);
  await service.reload();
  expect(await statuses()).toEqual([204, 401]);
  await service.apply(CONFIG);
  expect(await statuses()).toEqual([401, 401]);
});

/** Whether the process handles SIGHUP, the first bit of the mask. */
async function handlesHangup(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number.parseInt(/^SigCgt:\s*\S*(\S)$/m.exec(status)?.[1] ?? '0', 16) % 2 === 1;
}

test('reload: a SIGHUP during the start takes effect after it', async () => {
  const file = await configFile({ ...CONFIG, expires_in: 10 });
  // Nothing answers there, so the start waits for a second.
  const [gate = 0, api = 0, store = 0] = await freePorts(3);
  const service = await forTest(
    launch({
      name: 'postern',
      path: process.execPath,
      args: [join(projectRoot, 'dist/service/main.js')],
      env: {
        PATH: process.env.PATH,
        POSTERN_CONFIG: file.path,
        POSTERN_LISTEN: `127.0.0.1:${gate}`,
        POSTERN_API_LISTEN: `127.0.0.1:${api}`,
        POSTERN_STORE: `redis://127.0.0.1:${store}`,
      },
    }),
  );
  await waitFor(() => handlesHangup(service.pid), { what: 'the handler' });
  service.signal('SIGHUP');
  await expect.poll(() => service.stdout()).toContain('127.0.0.1');
  await file.write({ ...CONFIG, expires_in: 20 });
  service.signal('SIGHUP');
  await waitFor(() => reloads(service.stdout()).length > 0, {
    what: 'the reload',
    saw: service.stdout,
  });
  const lines = linesOf(service.stdout()).map(({ msg }) => msg);
  expect(lines.indexOf('listening')).toBeLessThan(lines.indexOf('the configuration was reloaded'));
  expect(reloads(service.stdout())).toMatchObject([{ changes: ['changed expires_in'] }]);
});

test('reload: requests in flight finish with the old configuration, also if the service ends', async () => {
  const service = await startReloadable();
  const body = JSON.stringify({ path: '/download/a' });
  const head = `POST /tokens HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`;
  const connection = await openRaw(service.apiPort);
  connection.socket.write(head);
  // The service has begun the request.
  await new Promise((resolve) => connection.socket.once('data', resolve));
  await service.apply({ ...CONFIG, api_keys: [BATCH] });
  expect((await service.issue({ path: '/download/a' })).status).toBe(401);
  service.signal('SIGTERM');
  await expect.poll(() => service.stdout(), { message: 'the end to begin' }).toContain('"stopping');
  await service.file.write({ ...CONFIG, expires_in: 'invalid' });
  for (let i = 0; i < 5; i += 1) service.signal('SIGHUP');
  const answered = new Promise<string>((resolve) => {
    let text = '';
    connection.socket.on('data', (chunk) => {
      text += chunk;
    });
    connection.socket.on('close', () => resolve(text));
  });
  connection.socket.write(body);
  expect(await answered).toMatch(/HTTP\/1\.1 201 /);
  expect(await service.stop()).toEqual({ code: 0, signal: null });
  expect(reloads(service.stdout())).toHaveLength(1);
});
