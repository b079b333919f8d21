import { afterAll, expect, test } from 'vitest';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { startGate } from '../../support/ask-gate.ts';
import { issueToken, KEY } from '../../support/postern.ts';
import { newId } from '../../support/store/grants.ts';
import { openRedis } from '../../support/store/open-redis.ts';

const redis = await startRedis();
afterAll(() => redis.stop());

/** An instance whose clock is this many milliseconds early. */
async function instance(early: number) {
  const now = () => Date.now() + early;
  const store = await openRedis(redis, { now });
  return startGate({ decisionTtl: 20, now, store }, afterAll);
}

type Instance = Awaited<ReturnType<typeof startGate>>;

const [early, late] = [await instance(300_000), await instance(-300_000)];
const roles: Array<[string, Instance, Instance]> = [
  ['the early one', early, late],
  ['the late one', late, early],
];

async function prolong({ api }: Instance, id: string, seconds: number): Promise<number> {
  const { status } = await api.request(`/tokens/${id}`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ expires_in: seconds }),
  });
  return status;
}

// Only the clock of Redis counts, not that of the instance that issues or decides: one is five minutes early, the other
// one five minutes late. The tests wait at the same time.
test.concurrent.each(roles)(
  'Redis clock: instances agree on when a token ends that %s issued',
  async (_, one, other) => {
    const body = { path: '/download/a', max_uses: 3, expires_in: 6, resume_for: 60 };
    const { id, url } = await issueToken(one.api, body);
    /** The status from both instances for a request from the address. */
    async function both(address: string, more: Record<string, string> = {}): Promise<number[]> {
      const asked = { 'X-Real-IP': address, ...more };
      return Promise.all(
        [one, other].map(async (instance) => (await instance.xAccel(url, asked)).status),
      );
    }
    const mayStrangersCome = () => both('192.0.2.99', { 'X-Original-Method': 'HEAD' });

    const first = await other.xAccel(url, { 'X-Real-IP': '192.0.2.1' });
    expect(first.status).toBe(200);
    const cookie = /^postern_resume=([^;]+)/.exec(String(first.headers['set-cookie']))?.[1] ?? '';
    const byCookie = () => both('192.0.2.77', { 'Postern-Resume': cookie });
    expect(await both('192.0.2.1')).toEqual([200, 200]);
    expect(await byCookie()).toEqual([200, 200]);
    expect(await mayStrangersCome()).toEqual([200, 200]);

    // Ended for new requesters, but not for those that have started.
    const ended = async () => (await mayStrangersCome()).every((status) => status === 401);
    await waitFor(ended, { what: 'the token to end' });
    expect(await both('192.0.2.1')).toEqual([200, 200]);
    expect(await byCookie()).toEqual([200, 200]);

    expect(await prolong(other, id, 60)).toBe(200);
    expect(await mayStrangersCome()).toEqual([200, 200]);
    expect((await one.xAccel(url, { 'X-Real-IP': '192.0.2.2' })).status).toBe(200);
    expect(await both('192.0.2.2')).toEqual([200, 200]);

    expect(await prolong(one, id, 1)).toBe(200);
    await waitFor(ended, { what: 'the token to end earlier' });
    expect(await both('192.0.2.1')).toEqual([200, 200]);
    expect(await prolong(one, id, 60)).toBe(200);
    expect((await other.xAccel(url, { 'X-Real-IP': '192.0.2.3' })).status).toBe(200);
    expect(await mayStrangersCome()).toEqual([401, 401]);
  },
);

test.concurrent.each(roles)(
  'Redis clock: instances agree on when a requester of a token of %s ends',
  async (_, one, other) => {
    const body = { path: '/download/a', max_uses: 1, expires_in: 5, resume_for: 6 };
    const { url } = await issueToken(one.api, body);
    const began = performance.now();
    const ask = (instance: Instance) => instance.xAccel(url, { 'X-Real-IP': '192.0.2.1' });
    expect((await ask(other)).status).toBe(200);
    const end = (instance: Instance) =>
      waitFor(async () => (await ask(instance)).status === 401, { what: 'its end' });
    await Promise.all([end(one), end(other)]);
    expect(performance.now() - began).toBeGreaterThan(5990);
  },
);

// jwt.md allows ten minutes between two clocks.
test.concurrent.each([-540_000, 0, 540_000])(
  'Redis clock: the revocation of a subject ends JWTs that were signed before, by a clock that is %i ms early',
  async (early) => {
    const store = await openRedis(redis, { now: () => Date.now() + early });
    const [subjectId, issuedAt] = [newId(), Date.now()];
    const before = await store.revokeSigned(subjectId, 0, 60_000);
    expect(await store.find(newId(), { subjectId, issuedAt })).toEqual({ isRevoked: true });
    expect(before * 1000).toBeGreaterThan(issuedAt + Math.max(0, early));
    await store.close();
  },
);

test.concurrent.each(roles)(
  'Redis clock: instances limit the decision cache by the time left in Redis, for a token of %s',
  async (_, one, other) => {
    const reuse = async (instance: Instance, url: string) =>
      Number((await instance.authRequest(url)).headers['x-accel-expires']);
    const short = await issueToken(one.api, { path: '/download/a', expires_in: 15 });
    const long = await issueToken(one.api, { path: '/download/a', expires_in: 60 });
    for (const asked of [one, other]) {
      expect(await reuse(asked, short.url)).toBeLessThanOrEqual(14);
      expect(await reuse(asked, long.url)).toBe(20);
    }
  },
);
