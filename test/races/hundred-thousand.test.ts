import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Redis, startRedis } from '../harness/redis.ts';
import { type ServiceProcess, storeReady } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi, askGate } from '../support/ask-service.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { startInstance, startMonitor } from '../support/racers.ts';
import { keysOf, tell } from '../support/store/open-redis.ts';

const COUNT = 100_000;

/** Maximum number of tokens in a request and in a page. */
const PAGE = 100;

/** The number of token IDs in a command. */
const MOST = 1000;

/** Commands whose cost depends only on their arguments: none reads all keys or a whole index. */
const SCRIPTS = ['eval'];
const BOUNDED = ['get', 'mget', 'set', 'exists', 'unlink', 'rename', 'pexpire', 'time', ...SCRIPTS];
const BOUNDED_IN_INDEX = ['zadd', 'zrange', 'zrank', 'zscore', 'zrem', 'zcount', 'zremrangebyrank'];
/** Commands of this test, and of each client that connects. */
const ASIDE = ['echo', 'ping', 'monitor', 'client', 'hello', 'info', 'select'];

/** Commands of the check at the start, whether the Redis user may run them: on a key with one field. */
const CHECKED = ['hset', 'hget', 'hmget', 'hgetall', 'hdel', 'del', 'pttl'];

/**
 * Microseconds. A thousand entries take one or two milliseconds, or up to eight where they are
 * issued; to end all 100,000 at once takes ninety. Of each command half of its calls must keep to
 * it: Redis counts also what a busy machine makes one wait.
 */
const SLOW = 30_000;

/** The other indexes keep the entries until their end. */
const OTHERS = /^postern:(ready$|client:|path:)/;

let redis: Redis;
let instances: ServiceProcess[];
beforeAll(async () => {
  redis = await startRedis();
  instances = await Promise.all([startInstance(redis.url), startInstance(redis.url)]);
});
afterAll(async () => {
  for (const instance of instances) await instance.stop();
  await redis.stop();
});

const api = (line: string, json?: unknown, at = 0) =>
  askApi(instances[at] as ServiceProcess, line, { json });

const wanted = { path: '/download/a', subject: 'user 1', expires_in: 3600 };
const QUERY = 'subject=user%201';

async function issue(count: number, at = 0): Promise<string[]> {
  const { body } = await api('POST /tokens/batch', Array(count).fill(wanted), at);
  return body.map(({ id }: { id: string }) => id);
}

test('races: 100,000 tokens of one subject are listed and revoked in pieces', async () => {
  const issued: string[] = [];
  while (issued.length < COUNT) issued.push(...(await issue(PAGE)));

  const monitor = await startMonitor(redis);
  expect(await listed()).toEqual([...issued].sort());
  const { during, revoked, pings } = await revokeInTheMidst();
  const commands = await monitor.stop();

  // One was issued after the other: if one came after the revocation, so did each that follows it.
  const lives = await Promise.all(
    during.map(async (id) => (await api(`GET /tokens/${id}`)).status === 200),
  );
  expect(lives).toEqual([...lives].sort((a, b) => Number(a) - Number(b)));
  expect(lives[0]).toBe(false);
  const survivors = during.filter((_, i) => lives[i]);
  expect(revoked).toBe(COUNT + during.length - survivors.length);
  expect(await listed()).toEqual([...survivors].sort());
  expect((await api(`DELETE /tokens?${QUERY}`)).body).toEqual({ revoked: survivors.length });

  // Other requests to Redis wait for a thousand entries at most.
  for (const [name, ...args] of commands) {
    expect(args.length, name).toBeLessThan(MOST + 10);
    if (name !== 'zrange') continue;
    const [, first, last] = args.map(Number) as [number, number, number];
    expect(last - first).toBeGreaterThanOrEqual(0); // -1 is the end of the index
    expect(last - first).toBeLessThan(MOST);
  }
  expect(pings).toBeGreaterThan(10);
  const medians = (await tell(redis, 'INFO latencystats')).matchAll(/_usec_(\w+):p50=([\d.]+)/g);
  const slow = [...medians].filter(([, , median]) => Number(median) > SLOW);
  expect(slow.map(([line]) => line)).toEqual([]);
  const ran = (await tell(redis, 'INFO commandstats')).matchAll(/^cmdstat_([^:|]+)/gm);
  const known = new Set([...BOUNDED, ...BOUNDED_IN_INDEX, ...CHECKED, ...ASIDE]);
  expect([...ran].map(([, name = '']) => name).filter((name) => !known.has(name))).toEqual([]);
  expect((await keysOf(redis)).filter((key) => !OTHERS.test(key))).toEqual([]);
}, 240_000);

test('races: Postern is killed in the midst of 100,000 revocations: a second call revokes the rest', async () => {
  const args = ['--appendonly', 'yes', '--appendfsync', 'always'];
  const kept = await forTest(startRedis({ args, folder: await folderForTest() }));
  instances.push(await startInstance(kept.url), await startInstance(kept.url));
  const [killed, other] = instances.slice(-2) as [ServiceProcess, ServiceProcess];
  const urls: string[] = [];
  while (urls.length < COUNT) {
    const batches = Array.from({ length: 4 }, () =>
      api('POST /tokens/batch', Array(PAGE).fill(wanted), 2),
    );
    for (const { body } of await Promise.all(batches)) {
      urls.push(...body.map(({ url }: { url: string }) => url));
    }
  }
  const { body: first } = await api(`GET /tokens?${QUERY}&limit=3`, undefined, 2);
  const confirmed: string[] = first.tokens.map(({ id }: { id: string }) => id);
  for (const id of confirmed) {
    expect((await api(`DELETE /tokens/${id}`, undefined, 2)).status).toBe(204);
  }

  const records = async () => Number((await tell(kept, 'DBSIZE')).slice(1));
  const all = await records();
  const revoking = api(`DELETE /tokens?${QUERY}`, undefined, 2).catch(() => 'no answer');
  await waitFor(async () => all - (await records()) > MOST, { what: 'some to be revoked' });
  killed.signal('SIGKILL');
  expect(await revoking).toBe('no answer');
  await kept.kill();
  await kept.restart();
  await storeReady(other);
  const left = await records();
  expect(left).toBeLessThan(all - MOST);

  const { status, body } = await api(`DELETE /tokens?${QUERY}`, undefined, 3);
  expect([status, body]).toEqual([200, { revoked: expect.any(Number) }]);
  expect(body.revoked).toBeGreaterThan(MOST);
  expect(body.revoked).toBeLessThan(COUNT - MOST);
  expect(await listed(3)).toEqual([]);
  expect((await keysOf(kept)).filter((key) => !OTHERS.test(key))).toEqual([]);
  for (const id of confirmed) {
    expect((await api(`GET /tokens/${id}`, undefined, 3)).status).toBe(404);
  }
  const opened = await Promise.all(
    urls.filter((_, i) => i % 1000 === 0).map(async (url) => (await askGate(other, url)).status),
  );
  expect(new Set(opened)).toEqual(new Set([401]));
}, 240_000);

/** The ids of all pages. */
async function listed(at = 0): Promise<string[]> {
  const ids: string[] = [];
  let after: string | undefined = '';
  while (after !== undefined) {
    const { body } = await api(`GET /tokens?${QUERY}&limit=${PAGE}${after}`, undefined, at);
    ids.push(...body.tokens.map(({ id }: { id: string }) => id));
    after = body.next_cursor && `&cursor=${body.next_cursor}`;
  }
  return ids.sort();
}

/** One instance issues while the other one revokes, and another client sends requests to Redis. */
async function revokeInTheMidst() {
  let over = false;
  const during = await issue(1, 1);
  const issuing = (async () => {
    while (!over) during.push(...(await issue(1, 1)));
  })();
  await waitFor(() => during.length > 10, { what: 'some to be issued' });
  const revoking = api(`DELETE /tokens?${QUERY}`).finally(() => {
    over = true;
  });
  let pings = 0;
  for (; !over; pings += 1) expect(await tell(redis, 'PING')).toBe('+PONG');
  await issuing;
  return { during, revoked: (await revoking).body.revoked as number, pings };
}
