import { expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../../../dev/redis.ts';
import { waitFor } from '../../../dev/wait.ts';
import { createRedisStore } from '../../../service/store/redis.ts';
import { grantAt, newId } from '../grants.ts';
import { startRewritingProxy } from '../rewriting-proxy.ts';

/** A store on a real Redis that reports another version of the same length. */
async function reporting(version: string) {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const proxy = await startRewritingProxy(redis.port, (reply) => {
    return reply.replace(/(redis_version:)(\S+)/, (_, name, real: string) => {
      return name + version.padEnd(real.length, '0');
    });
  });
  const states: string[] = [];
  const store = createRedisStore({
    url: `redis://127.0.0.1:${proxy.port}`,
    prefix: 'postern:',
    timeoutMs: 5_000,
    onState: (state, failure) => void states.push(`${state} ${failure?.shown ?? ''}`.trim()),
  });
  onTestFinished(() => store.close());
  return { store, states };
}

test('Redis before 7.0 is refused with its version, and no call succeeds', async () => {
  const { store, states } = await reporting('6.2');
  const refusal = expect.stringMatching(/^down Redis 6\.2\S* is too old: Postern needs Redis 7\.0/);
  await waitFor(() => states.some((state) => state.includes('too old')), { what: 'the refusal' });
  expect(states).toContainEqual(refusal);
  expect(states).not.toContain('up');
  for (let i = 0; i < 20; i += 1) {
    await expect(store.issue([[newId(), grantAt(Date.now())]])).rejects.toThrow();
  }
  await expect(store.check()).rejects.toMatchObject({ shown: expect.stringContaining('too old') });
});

test.each(['7.0', '10.'])('Redis %s is used', async (version) => {
  const { store, states } = await reporting(version);
  await waitFor(() => states.includes('up'), { what: 'the connection' });
  const id = newId();
  await store.issue([[id, grantAt(Date.now())]]);
  expect(await store.find(id)).toBeDefined();
});
