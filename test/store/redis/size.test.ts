import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Redis, startRedis } from '../../../dev/redis.ts';
import type { Store } from '../../../service/domain/store.ts';
import { createPostern, KEY } from '../../support/postern.ts';
import { openRedis, tell } from '../open-redis.ts';

const COUNT = 10_000;
const BATCH = 1000;

/** Bytes a token, its share of the index included, as Redis counts them. */
const MOST = 450;

let redis: Redis;
let store: Store;
beforeAll(async () => {
  redis = await startRedis();
  store = await openRedis(redis);
});
beforeEach(async () => void (await tell(redis, 'FLUSHALL')));
afterAll(async () => {
  await store.close();
  await redis.stop();
});

const pathOf = (i: number) => `/download/${i}-`.padEnd(60, 'x');

test.each([1, 100])(
  'Redis: a token of a subject with %i tokens needs less than 450 bytes',
  async (each) => {
    const { api } = createPostern({ store });
    const subjectOf = (i: number) => `user-${String(Math.floor(i / each)).padStart(6, '0')}`;
    const sizes: number[] = [];
    for (let done = 0; done < COUNT; done += BATCH) {
      const wanted = Array.from({ length: BATCH }, (_, i) => {
        return { path: pathOf(done + i), subject: subjectOf(done + i), expires_in: 3600 };
      });
      const answer = await api.request('/tokens/batch', {
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify(wanted),
      });
      const issued = (await answer.json()) as Array<{ id: string }>;
      for (let i = 0; i < BATCH; i += 100) {
        const grant = await sizeOf(`postern:grant:{${issued[i]?.id}}`);
        const index = await sizeOf(`postern:subject:{test:${subjectOf(done + i)}}`);
        sizes.push(grant + index / each);
      }
    }
    sizes.sort((a, b) => a - b);
    expect(sizes[sizes.length / 2]).toBeLessThan(MOST);
  },
);

async function sizeOf(key: string): Promise<number> {
  const [, bytes] = /^:(\d+)$/.exec(await tell(redis, `MEMORY USAGE ${key} SAMPLES 0`)) ?? [];
  if (bytes === undefined) throw new Error(`Redis has no ${key}`);
  return Number(bytes);
}
