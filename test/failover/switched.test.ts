import { once } from 'node:events';
import { Redis } from 'ioredis';
import { onTestFinished, test } from 'vitest';
import { createRedisStore } from '../../service/store/redis/redis.ts';
import { startRedis } from '../harness/redis.ts';
import { startSentinel } from '../harness/redis-sentinel.ts';
import { waitFor } from '../harness/wait.ts';
import { answers, tell } from '../store/open-redis.ts';
import { startHoldingProxy } from '../store/proxies.ts';

test('Sentinel: a failover that is reported while the store connects does not end its attempts', async () => {
  const master = await startRedis();
  const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] });
  const { port, running } = await startSentinel('redis', master.port, []);
  const sentinel = { ...master, port };
  onTestFinished(async () => {
    await Promise.all([running.stop(), master.stop(), replica.stop()]);
  });
  const says = (command: string, expected: string) =>
    waitFor(async () => (await tell(sentinel, command)).includes(expected), {
      what: `${expected} in the reply to ${command}`,
    });
  await says('INFO sentinel', 'slaves=1');

  const proxy = await startHoldingProxy(port);
  const url = `redis+sentinel://127.0.0.1:${proxy.port}/main/0`;
  const store = createRedisStore({ url, prefix: 'postern:', timeoutMs: 1_000 });
  onTestFinished(() => store.close());
  await answers(store);
  await says('CLIENT LIST', ' sub=1 ');
  const listener = new Redis({ port });
  onTestFinished(() => listener.disconnect());
  const switched = once(listener, 'message');
  await listener.subscribe('+switch-master');
  proxy.hold(/get-master-addr/);
  await master.kill();
  await waitFor(() => proxy.isHolding(), { what: 'the store to ask for the master' });
  // The sentinel promotes a replica only if it has asked it within 5 s.
  await says('SENTINEL FAILOVER main', '+OK');
  await switched;
  proxy.release();
  await answers(store);
});
