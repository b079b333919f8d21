import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { type InheritedSocket, takeInherited } from '../../service/config/inherited.ts';
import { startOnSockets } from '../harness/on-sockets.ts';
import { onFreePorts } from '../harness/ports.ts';
import { ExitedEarly } from '../harness/process.ts';
import { tryRun } from '../harness/run.ts';
import { ENV, statusOn } from '../support/ask-service.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { errorOf } from '../support/load-config.ts';
import { needTool } from '../support/need-tool.ts';

test('inherited sockets: the service uses each by its name, and a shared API has no /metrics', async (context) => {
  await needTool('python3', context);
  const ss = await needTool('ss', context);
  const folder = await folderForTest();
  const [gate, metrics] = [join(folder, 'gate.sock'), join(folder, 'metrics.sock')];
  const sockets = (api: number, delivery: number) => ({
    ...{ gate: `unix:${gate}`, api: `[::1]:${api}`, delivery: `udp:127.0.0.1:${delivery}` },
    metrics: `unix:${metrics}`,
  });
  const service = await onFreePorts(2, async ([api = 0, delivery = 0]) => {
    const started = await forTest(startOnSockets(sockets(api, delivery), ENV));
    await started.ready(() => started.stdout().includes('"listening"'), { what: 'its line' });
    return { ...started, api, delivery };
  });
  const line =
    service
      .stdout()
      .split('\n')
      .find((one) => one.includes('"listening"')) ?? '';
  expect(JSON.parse(line)).toMatchObject({
    gate: { path: gate },
    api: { address: '::1', port: service.api },
    metrics: { path: metrics },
    delivery: { address: '127.0.0.1', port: service.delivery },
  });
  expect(await statusOn(gate, '/livez')).toBe(200);
  for (const path of ['/metrics', '/readyz']) expect(await statusOn(metrics, path)).toBe(200);
  const asked = ['readyz', 'metrics'].map((path) => fetch(`http://[::1]:${service.api}/${path}`));
  expect((await Promise.all(asked)).map((response) => response.status)).toEqual([200, 401]);

  // Node.js would reduce the queue to 511.
  const { output } = await tryRun(ss.path, ['-lxnH', 'src', gate], ss.env);
  expect(Number(output.trim().split(/\s+/)[3])).toBeGreaterThan(511);

  service.signal('SIGTERM');
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(service.stdout()).toContain('"stopped"');
  for (const path of [gate, metrics]) expect(existsSync(path)).toBe(true);
});

test.each([
  [{}, undefined],
  [{ BLOCKING: '1' }, { level: 'warn', sockets: ['gate', 'api'] }],
])(
  'inherited sockets: of a supervisor with %j the log has this warning: %j',
  async (more, warning) => {
    const folder = await folderForTest();
    const service = await onFreePorts(1, async ([api = 0]) => {
      const sockets = { gate: `unix:${folder}/gate`, api: `127.0.0.1:${api}` };
      const started = await forTest(startOnSockets(sockets, { ...ENV, ...more }));
      await started.ready(() => started.stdout().includes('"listening"'), { what: 'its line' });
      return started;
    });
    const line = /^.*O_NONBLOCK.*$/m.exec(service.stdout())?.[0];
    const parsed = line && JSON.parse(line);
    if (warning) expect(parsed).toMatchObject(warning);
    else expect(parsed).toBeUndefined();
  },
);

test('inherited sockets: all errors are reported together with exit code 2', async (context) => {
  await needTool('python3', context);
  const folder = await folderForTest();
  const failed = await onFreePorts(2, async ([gate = 0, api = 0]) => {
    const service = await forTest(
      startOnSockets(
        { gate: `udp:127.0.0.1:${gate}`, web: `unix:${folder}/web`, api: `127.0.0.1:${api}` },
        { ...ENV, POSTERN_API_LISTEN: '127.0.0.1:1', POSTERN_EXPIRES_IN: 'x' },
      ),
    );
    return service.ready(() => false, { what: 'the end' }).catch((error: unknown) => error);
  });
  expect(failed).toBeInstanceOf(ExitedEarly);
  const { exit, stderr } = failed as ExitedEarly;
  expect(exit.code).toBe(2);
  const expected = [
    ...['Postern cannot start: 4 errors', '"web"'],
    'descriptor 3 a TCP or Unix socket that listens',
    ...['which the socket unit of "api" has opened', 'POSTERN_EXPIRES_IN'],
  ];
  for (const text of expected) expect(stderr).toContain(text);
});

test('inherited sockets: those of another process are not taken, and no child gets the variables', () => {
  const env = { LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'gate', OTHER: 'a' };
  expect(takeInherited(env, 2)).toEqual([]);
  expect(env).toEqual({ OTHER: 'a' });
  // No such descriptor.
  const own = takeInherited({ LISTEN_PID: '2', LISTEN_FDS: '5000' }, 2);
  expect(own.at(-1)).toEqual({ name: '', fd: 5002, kind: 'other' });
});

test.each(['::1', '127.0.0.1', 'a.sock'])(
  'inherited sockets: on %s, the one that listens is found, and not its connection',
  async (at) => {
    const isUnix = at.endsWith('.sock');
    const where = isUnix ? { path: join(await folderForTest(), at) } : { host: at, port: 0 };
    const server = createServer().listen(where);
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const address = server.address();
    const client = connect(isUnix ? where : { host: at, ...Object(address) });
    onTestFinished(() => void client.destroy());
    await once(client, 'connect');
    const found = (socket: object) => {
      const count = (socket as { _handle: { fd: number } })._handle.fd - 2;
      return takeInherited({ LISTEN_PID: '1', LISTEN_FDS: `${count}` }, 1).at(-1);
    };
    const expected = isUnix ? where : { host: at, port: Object(address).port };
    expect(found(server)).toMatchObject({ kind: 'listening', at: expected });
    expect(found(client)).toMatchObject({ kind: 'other' });
  },
);

const GATE: InheritedSocket = { name: 'gate', fd: 3, kind: 'listening', at: { path: '/a.sock' } };
const API = { name: 'api', fd: 4, kind: 'listening', at: { host: '::1', port: 1 } } as const;
const REPORTS = { name: 'delivery', fd: 5, kind: 'datagram' } as const;
const at = (host: string) => ({ ...REPORTS, at: { host, port: 1 } });

test.each<[Record<string, string>, InheritedSocket[], string[]]>([
  [{ POSTERN_LISTEN: 'unix:/a.sock' }, [GATE], []],
  [{ POSTERN_LISTEN: 'unix:/b.sock' }, [GATE], ['POSTERN_LISTEN']],
  [{ POSTERN_LISTEN: '127.0.0.1:1' }, [GATE], ['POSTERN_LISTEN']],
  [{ POSTERN_SOCKET_MODE: '0660' }, [GATE], ['POSTERN_SOCKET_MODE']],
  [{ POSTERN_SOCKET_MODE: '0660' }, [API], []],
  [{ POSTERN_API_LISTEN: '[0:0::1]:1' }, [API], []],
  [{ POSTERN_API_LISTEN: 'localhost:1' }, [API], []],
  [{ POSTERN_API_LISTEN: '[::1]:2' }, [API], ['POSTERN_API_LISTEN']],
  [{ POSTERN_API_LISTEN: '[::2]:1' }, [API], ['POSTERN_API_LISTEN']],
  [{ POSTERN_API_LISTEN: 'off' }, [API], ['POSTERN_API_LISTEN']],
  [{}, [GATE, GATE], ['LISTEN_FDNAMES']],
  [{}, [{ ...GATE, kind: 'other' }], ['LISTEN_FDNAMES']],
  [{}, [{ ...API, name: 'delivery' }], ['LISTEN_FDNAMES']],
  // The socket is in another network namespace.
  [{ POSTERN_LISTEN: 'unix:/b.sock' }, [{ name: 'gate', fd: 3, kind: 'unknown' }], []],
  [{}, [at('127.0.0.1')], []],
  [{}, [at('0.0.0.0')], ['POSTERN_DELIVERY_LISTEN']],
  [{ POSTERN_DELIVERY_FROM: '10.0.0.1' }, [at('0.0.0.0')], []],
  // An inherited socket replaces the default address.
  [{ POSTERN_METRICS_LISTEN: '[::1]:1' }, [API], ['POSTERN_METRICS_LISTEN']],
  [{ POSTERN_METRICS_LISTEN: '127.0.0.1:7301' }, [API], []],
])('inherited sockets: %j with %j is an error of %j', (own, sockets, fields) => {
  const load = () => loadConfig({ ...ENV, ...own }, () => '', { sockets });
  if (fields.length === 0) expect(load()).toBeDefined();
  else expect(errorOf(load).issues.map(({ field }) => field)).toEqual(fields);
});
