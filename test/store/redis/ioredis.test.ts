import type { Socket } from 'node:net';
import { Cluster, Redis, SentinelConnector } from 'ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import {
  MasterConnector,
  ServerConnector,
  streamOf,
} from '../../../service/store/connection/ioredis.ts';
import {
  type FakeRedis,
  startFakeCluster,
  startFakeRedis,
  startFakeSentinel,
} from '../../support/store/fake-redis.ts';
import { answers, storeAt } from '../../support/store/open-redis.ts';
import { startProxy } from '../../support/store/proxies.ts';

// replies.test.ts and test/failover/ have the other behaviour that service/store/connection/ioredis.ts needs.

test('ioredis: the version is exact, and it has each member that its documentation omits', async () => {
  expect(packageJson.devDependencies.ioredis).toBe('6.0.0');
  const redis = new Redis({ lazyConnect: true });
  onTestFinished(() => redis.disconnect());
  expect(redis).toHaveProperty('connector.connect');
  expect(SentinelConnector.prototype).toHaveProperty('connectToSentinel');
  expect(Cluster.prototype).toHaveProperty('refreshSlotsCache');
  const server = await startFakeRedis();
  const connected = new Redis(server.port, { lazyConnect: true });
  onTestFinished(() => connected.disconnect());
  await connected.connect();
  expect(streamOf(connected)?.writable).toBe(true);
});

// A TLS socket of Node.js can do that: once for a certificate, and then for an alert of the server.
test('ioredis: a second error of one connection does not end the process', async () => {
  const { sentinel } = await startFakeSentinel();
  const address = { host: '127.0.0.1', port: sentinel.port };
  const options = { disconnectTimeout: 100, name: 'main', role: 'master', sentinels: [address] };
  const connectors = [
    new ServerConnector({ ...options, ...address }),
    new MasterConnector({ ...options, connectTimeout: 1000 }),
  ];
  for (const connector of connectors) {
    const stream = await connector.connect(() => {});
    const errors = [new Error('first'), new Error('second')];
    for (const error of errors) stream.emit('error', error);
    expect(connector.firstError).toBe(errors[0]);
    connector.disconnect();
  }
});

test.each([
  ['sentinel', startFakeSentinel],
  ['cluster', startFakeCluster],
])('ioredis: a %s is reached with 400 ms of latency', async (_, start) => {
  const { url, servers } = await start();
  const [{ port: first }] = servers as [FakeRedis];
  const late = (from: Socket, to: Socket) =>
    from.on('data', (data) => setTimeout(() => to.writable && to.write(data), 200));
  const join = (client: Socket, upstream: Socket) => {
    late(client, upstream);
    late(upstream, client);
  };
  const proxy = await startProxy(() => first, join);
  onTestFinished(() => proxy.close());
  const { store } = storeAt(url.replace(String(first), String(proxy.port)), { timeoutMs: 1400 });
  await answers(store);
});

test('ioredis: a sentinel that is lost is not reported on standard error', async () => {
  const { url, sentinel } = await startFakeSentinel();
  const printed = vi.spyOn(console, 'error').mockReturnValue();
  onTestFinished(() => printed.mockRestore());
  const { store } = storeAt(url);
  await answers(store);
  const { connections } = sentinel.state;
  sentinel.state.answer = () => 'x';
  sentinel.cut();
  await expect.poll(() => sentinel.state.connections).toBeGreaterThan(connections);
  await answers(store);
  expect(printed).not.toHaveBeenCalled();
});
