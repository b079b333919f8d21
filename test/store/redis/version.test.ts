import { expect, onTestFinished, test } from 'vitest';
import { createRedisStore } from '../../../service/store/redis/redis.ts';
import type { StoreUnavailable } from '../../../service/token/store.ts';
import { freePorts } from '../../harness/ports.ts';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { grantAt, newId } from '../grants.ts';
import { tell } from '../open-redis.ts';
import { startRewritingProxy } from '../rewriting-proxy.ts';

/** A store on a real Redis that reports another version of the same length. */
async function reporting(version: string, topology = '') {
  const [port = 0] = await freePorts(1);
  const announced = ['--cluster-announce-ip', '127.0.0.1', '--cluster-announce-port', String(port)];
  const enabled = ['--cluster-enabled', 'yes', ...announced];
  const redis = await startRedis({ args: topology === '' ? [] : enabled });
  onTestFinished(() => redis.stop());
  if (topology !== '') {
    await tell(redis, 'CLUSTER ADDSLOTSRANGE 0 16383');
    const isOk = async () => (await tell(redis, 'CLUSTER INFO')).includes('cluster_state:ok');
    await waitFor(isOk, { what: 'the cluster' });
  }
  const rewrite = (reply: string) =>
    reply.replace(/(redis_version:)(\S+)/, (_, name, real: string) => {
      return name + version.padEnd(real.length, '0');
    });
  const proxy = await startRewritingProxy(redis.port, rewrite, port);
  const states: string[] = [];
  const store = createRedisStore({
    url: `redis${topology}://127.0.0.1:${proxy.port}`,
    prefix: 'postern:',
    timeoutMs: 5_000,
    onState: (state, failure) => void states.push(`${state} ${failure?.shown ?? ''}`.trim()),
  });
  onTestFinished(() => store.close());
  return { store, states };
}

test.each([
  ['a server', ''],
  ['a cluster', '+cluster'],
])('%s of Redis before 7.0 is refused with its version', async (_, topology) => {
  const { store, states } = await reporting('6.2', topology);
  const refusal = expect.stringMatching(/^down Redis 6\.2\S* is too old: Postern needs Redis 7\.0/);
  await waitFor(() => states.some((state) => state.includes('too old')), { what: 'the refusal' });
  expect(states).toContainEqual(refusal);
  expect(states).not.toContain('up');
  const why = () => store.check().then(String, ({ shown }: StoreUnavailable) => shown ?? '');
  await waitFor(async () => (await why()).includes('too old'), { what: 'the reason' });
});

test.each([
  ['7.0', ''],
  ['10.', ''],
  ['7.0', '+cluster'],
])('Redis %s is used: %s', async (version, topology) => {
  const { store, states } = await reporting(version, topology);
  await waitFor(() => states.includes('up'), { what: 'the connection' });
  const id = newId();
  await store.issue([[id, grantAt(Date.now())]]);
  expect(await store.find(id)).toBeDefined();
});
