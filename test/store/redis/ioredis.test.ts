import { Cluster, Redis, SentinelConnector } from 'ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { MasterConnector, ServerConnector } from '../../../service/store/connection/ioredis.ts';
import { waitFor } from '../../harness/wait.ts';
import { startFakeSentinel } from '../fake-redis.ts';
import { answers, storeAt } from '../open-redis.ts';

// replies.test.ts and test/failover/ have the other behaviour that service/store/connection/ioredis.ts needs.

test('ioredis: the version is exact, and it has each member that its documentation omits', () => {
  expect(packageJson.devDependencies.ioredis).toBe('6.0.0');
  const redis = new Redis({ lazyConnect: true });
  onTestFinished(() => redis.disconnect());
  expect(redis).toHaveProperty('connector.connect');
  expect(SentinelConnector.prototype).toHaveProperty('connectToSentinel');
  expect(Cluster.prototype).toHaveProperty('refreshSlotsCache');
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

test('ioredis: a sentinel that is lost is not reported on standard error', async () => {
  const { url, sentinel } = await startFakeSentinel();
  const printed = vi.spyOn(console, 'error').mockReturnValue();
  onTestFinished(() => printed.mockRestore());
  const { store } = storeAt(url);
  await answers(store);
  const { connections } = sentinel.state;
  sentinel.state.answer = () => 'x';
  sentinel.cut();
  await waitFor(() => sentinel.state.connections > connections, { what: 'another connection' });
  await answers(store);
  expect(printed).not.toHaveBeenCalled();
});
