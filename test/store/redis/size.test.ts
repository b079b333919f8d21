import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { slotOf } from '../../../service/store/redis/key-names.ts';
import type { Store } from '../../../service/token/store.ts';
import { type Redis, startRedis } from '../../harness/redis.ts';
import { createPostern, KEY } from '../../support/postern.ts';
import { openRedis, tell } from '../open-redis.ts';

const COUNT = 10_000;
const BATCH = 1000;

/** Bytes for each token in Redis, with its share of the indexes. */
const MOST = 700;

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
  'Redis: a token of a subject with %i tokens needs less than 700 bytes',
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
        const subject = await sizeOf(`postern:subject:{test:${subjectOf(done + i)}}`);
        const path = await shareOf(`postern:path:{test:${slotOf(pathOf(done + i))}}`);
        const client = await shareOf('postern:client:{test}');
        sizes.push(grant + subject / each + path + client);
      }
    }
    sizes.sort((a, b) => a - b);
    expect(sizes[sizes.length / 2]).toBeLessThan(MOST);
  },
);

/** Of an index: bytes for each entry. */
async function shareOf(key: string): Promise<number> {
  return (await sizeOf(key)) / Number((await tell(redis, `ZCARD ${key}`)).slice(1));
}

async function sizeOf(key: string): Promise<number> {
  const [, bytes] = /^:(\d+)$/.exec(await tell(redis, `MEMORY USAGE ${key} SAMPLES 0`)) ?? [];
  if (bytes === undefined) throw new Error(`Redis has no ${key}`);
  return Number(bytes);
}
