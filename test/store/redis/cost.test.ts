import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Uses } from '../../../service/token/grant.ts';
import type { Store } from '../../../service/token/store.ts';
import { digest } from '../../../service/token/token.ts';
import type { Requester } from '../../../service/token/uses.ts';
import { type Redis, startRedis } from '../../harness/redis.ts';
import { grantAt, newId } from '../grants.ts';
import { openRedis, tell } from '../open-redis.ts';

let redis: Redis;
let store: Store;
beforeAll(async () => {
  redis = await startRedis();
  store = await openRedis(redis);
});
afterAll(async () => {
  await store.close();
  await redis.stop();
});

const from = (i: number): Requester => ({
  address: `2001:db8:${i.toString(16)}:1::/64`,
  cookies: [],
  newCookie: digest(newId()),
});

async function issue(uses: Partial<Uses>): Promise<string> {
  const id = newId();
  const whole = { resumeFor: 60, ...uses };
  await store.issue([[id, grantAt(Date.now(), { uses: whole })]]);
  return id;
}

/** Microseconds that Redis needs for one script: the median, which a busy machine hardly changes. */
async function costOf(id: string, next: (i: number) => Requester): Promise<number> {
  await tell(redis, 'CONFIG RESETSTAT');
  for (let i = 0; i < 200; i += 1) await store.redeem(id, next(i), true);
  const stats = await tell(redis, 'INFO latencystats');
  return Number(/latency_percentiles_usec_eval:p50=([\d.]+)/.exec(stats)?.[1]);
}

// Redis runs one script at a time. If a use of a token with a thousand requesters held it for a
// millisecond, a client with one such token could make every other request time out.
test.each<[string, Partial<Uses>, (i: number) => Requester]>([
  ['a known requester', { max: 1000 }, () => from(0)],
  ['new requesters when no use is left', { max: 1000 }, (i) => from(5000 + i)],
  ['new requesters without a cookie', { cookieOnly: true }, from],
])(
  'uses: the time of a use in Redis does not grow with the requesters: %s',
  async (_, uses, next) => {
    const few = await issue({ ...uses, max: 1 });
    await store.redeem(few, from(0), true);
    const usual = await costOf(few, () => from(0));

    const many = await issue(uses);
    for (let i = 0; i < 1000; i += 1) await store.redeem(many, from(i), true);
    expect((await costOf(many, next)) / usual).toBeLessThan(15);
  },
);
