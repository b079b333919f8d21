import { expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../../harness/redis.ts';
import { apiListener, createPostern, KEY, listening } from '../../support/postern.ts';
import { startCountingProxy } from '../counting-proxy.ts';
import { openRedis, tell } from '../open-redis.ts';

test.each([
  [1, 1],
  // In pieces, so that Redis and the gate can handle other requests in between.
  [1000, 30],
])('issue: %i tokens in one request cost at most %i round trips to Redis', async (count, most) => {
  const redis = await startRedis();
  const proxy = await startCountingProxy(redis.port);
  // Its own round trips are not counted.
  const options = { port: proxy.port, checkEveryMs: 3_600_000 };
  const store = await openRedis(redis, options);
  const api = await listening(apiListener(createPostern({ store }).api));
  onTestFinished(async () => {
    await api.stop();
    await store.close();
    await redis.stop();
  });
  const wanted = Array.from({ length: count }, (_, i) => {
    return { path: `/download/${i}`, subject: `user-${i % 10}`, max_uses: 3 };
  });
  const before = proxy.turns();
  const answer = await fetch(`http://127.0.0.1:${api.port}/tokens/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(wanted),
  });
  const issued = (await answer.json()) as Array<{ id: string }>;
  expect(proxy.turns() - before).toBeLessThanOrEqual(most);
  expect(answer.status).toBe(201);
  const keys = issued.map(({ id }) => `postern:grant:{${id}}`).join(' ');
  expect(await tell(redis, `EXISTS ${keys}`)).toBe(`:${count}`);
});
