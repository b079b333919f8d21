import { afterAll, beforeEach, expect, test } from 'vitest';
import { slotOf } from '../../../service/store/connection/ioredis.ts';
import type { Cursor } from '../../../service/token/store.ts';
import { createPostern, issueToken } from '../../support/postern.ts';
import { from, grantAt, issueTo, newId } from '../../support/store/grants.ts';
import { keysOf, openRedis, startStore, tell } from '../../support/store/open-redis.ts';
import { sent } from '../contract-delivered.ts';

const { redis, store } = await startStore({}, afterAll);
beforeEach(async () => void (await tell(redis, 'FLUSHALL')));

/** Entries in the indexes of a client and of paths may name grants that are gone. */
const keysWithoutIndexes = async () =>
  (await keysOf(redis)).filter((key) => !/:(client|path):\{[^}]*\}$/.test(key));

test('Redis keys: contain the token ID, never the token', async () => {
  const { api } = createPostern({ store });
  const seen = [];
  for (const body of [{ path: '/download/a', subject: 'u' }, { prefix: '/download/' }]) {
    seen.push(await issueToken(api, body));
  }
  const keys = await keysOf(redis);
  expect(keys).toEqual(
    [
      ...seen.map(({ id }) => `postern:grant:{${id}}`),
      ...['postern:subject:{test:u}', 'postern:client:{test}'],
      ...['/download/a', '/download/'].map((path) => `postern:path:{test:${slotOf(path)}}`),
    ].sort(),
  );
  let all = keys.join();
  for (const key of keys) {
    all += await tell(redis, key.includes(':grant:') ? `GET ${key}` : `ZRANGE ${key} 0 -1`);
  }
  expect(all).toContain(seen[0]?.id);
  for (const { access_token: token } of seen) expect(all).not.toContain(token.slice(3, 15));
});

test('Redis keys: each has the prefix and an expiry', async () => {
  const other = await openRedis(redis, { prefix: 'other:' });
  const id = await issueTo(other, { subject: 'u', expiresAt: Date.now() + 30_000 });
  const keys = await keysOf(redis);
  expect(keys).toEqual([
    ...['other:client:{web}', `other:grant:{${id}}`, `other:path:{web:${slotOf('/download/a')}}`],
    ...['other:ready', 'other:subject:{web:u}'],
  ]);
  for (const key of keys) {
    expect(Number((await tell(redis, `PTTL ${key}`)).slice(1))).toBeGreaterThan(0);
  }
  expect((await store.find(id)).grant).toBeUndefined();
  expect(await store.revokeAll('web', { subject: 'u' })).toBe(0);
  await other.close();
});

test('Redis keys: a revoked subject of an issuer is kept until its last token has ended', async () => {
  const subject = newId();
  const key = `postern:signed:{${subject}}`;
  const before = await store.revokeSigned(subject, 5, 90_000);
  expect(await keysOf(redis)).toEqual([key]);
  expect(await tell(redis, `PEXPIRETIME ${key}`)).toBe(`:${before * 1000 + 90_000}`);
});

test('Redis keys: the index of a subject expires half a minute to a minute after its last grant', async () => {
  const now = Date.now();
  const issue = (ms: number) => issueTo(store, { subject: 'u', expiresAt: now + ms });
  // Rounded to ten seconds, because Redis counts from when it gets the command.
  const end = async () => {
    const at = Number((await tell(redis, 'PEXPIRETIME postern:subject:{web:u}')).slice(1));
    return Math.round((at - now) / 10_000) * 10;
  };
  await issue(20_000);
  await issue(10_000);
  expect(await end()).toBe(80);
  const id = await issue(40_000);
  expect(await end()).toBe(80);
  await issue(60_000);
  expect(await end()).toBe(120);
  await store.prolong(id, 'web', now + 100_000);
  await store.prolong(id, 'web', now + 5_000);
  expect(await end()).toBe(160);
  // Never earlier than the grant itself, even if Redis fails in between.
  const score = (await tell(redis, `ZSCORE postern:subject:{web:u} ${id}`)).split('\r\n')[1];
  expect(Number(score)).toBeGreaterThanOrEqual(now + 100_000);
});

test('Redis keys: the index of a subject lasts while a requester may resume', async () => {
  const now = Date.now();
  const uses = { max: 1, resumeFor: 3600, requesters: [] };
  const id = await issueTo(store, { subject: 'u', uses, expiresAt: now + 10_000 });
  const expires = async (end: number) => {
    const score = (await tell(redis, `ZSCORE postern:subject:{web:u} ${id}`)).split('\r\n')[1];
    const key = (await tell(redis, 'PEXPIRETIME postern:subject:{web:u}')).slice(1);
    for (const at of [score, key]) expect(Number(at)).toBeGreaterThanOrEqual(end + 3_600_000);
  };
  await expires(now + 10_000);
  await store.prolong(id, 'web', now + 90_000);
  await expires(now + 90_000);
});

test('Redis keys: an index that was lost and created again expires', async () => {
  const id = await issueTo(store, { subject: 'u' });
  await tell(redis, 'DEL postern:subject:{web:u}');
  await store.prolong(id, 'web', Date.now() + 90_000);
  expect(Number((await tell(redis, 'PTTL postern:subject:{web:u}')).slice(1))).toBeGreaterThan(0);
  expect(await store.revokeAll('web', { subject: 'u' })).toBe(1);
});

test('Redis keys: a revoked grant is removed from its indexes', async () => {
  const [id, other] = [
    await issueTo(store, { subject: 'u' }),
    await issueTo(store, { subject: 'u' }),
  ];
  await store.revoke(id, 'web');
  await expect.poll(() => tell(redis, 'ZCARD postern:subject:{web:u}')).toBe(':1');
  await store.revoke(other, 'web');
  await expect.poll(() => keysOf(redis), { message: 'the entries to go' }).toHaveLength(0);
});

test.each([
  ['a subject', 'postern:subject:{web:u}', { subject: 'u' }],
  ['a client', 'postern:client:{web}', {}],
])('Redis keys: the next call completes a revocation of %s', async (_, index, selection) => {
  async function interrupted() {
    const ids = Array.from({ length: 5 }, newId);
    await store.issue(ids.map((id) => [id, grantAt(Date.now(), selection)]));
    await tell(redis, `RENAME ${index} ${index}:revoked`);
    return { ids, next: await issueTo(store, selection) };
  }
  await interrupted();
  expect(await store.revokeAll('web', selection)).toBe(6);
  expect(await keysWithoutIndexes()).toEqual([]);
  const { ids, next } = await interrupted();
  const page = await store.list('web', selection, 10);
  expect(page.entries).toEqual([]);
  const { entries } = await store.list('web', selection, 10, page.next);
  expect(entries.map(([id]) => id)).toEqual([next]);
  for (const id of ids) expect((await store.find(id)).grant).toBeUndefined();
});

test('Redis keys: entries of expired grants are removed from each index', async () => {
  const now = Date.now();
  const issue = () => issueTo(store, { subject: 'u' }, now);
  await issue();
  const indexes = (await keysOf(redis)).filter((key) => !key.includes(':grant:'));
  expect(indexes).toHaveLength(3);
  // Ended two minutes ago, and 50 seconds ago.
  const ended = Array.from({ length: 1200 }, () => `${now - 120_000} ${newId()}`).join(' ');
  for (const index of indexes) {
    await tell(redis, `ZADD ${index} ${now - 50_000} ${newId()} ${ended}`);
  }
  const sizes = async () => {
    const replies = await Promise.all(indexes.map((index) => tell(redis, `ZCARD ${index}`)));
    return replies.map((reply) => Number(reply.slice(1)));
  };
  // Each issue adds an entry to the three indexes, and removes at most 1000 from all of them.
  for (const left of [3606, 2609, 1612, 615]) {
    expect((await sizes()).reduce((sum, size) => sum + size)).toBe(left);
    await issue();
  }
  expect(await sizes()).toEqual([6, 6, 6]);
});

test('Redis keys: a list completes an interrupted revocation in pieces, so that other requests come in between', async () => {
  const grant = grantAt(Date.now(), { subject: 'u' });
  await store.issue(Array.from({ length: 500 }, () => [newId(), grant]));
  await tell(redis, 'RENAME postern:subject:{web:u} postern:subject:{web:u}:revoked');
  const left: string[] = [];
  let after: Cursor | undefined;
  do {
    const { entries, next } = await store.list('web', { subject: 'u' }, 10, after);
    expect(entries).toEqual([]);
    left.push(await tell(redis, 'ZCARD postern:subject:{web:u}:revoked'));
    after = next;
  } while (after !== undefined);
  expect(left).toEqual([':300', ':100', ':0', ':0']);
  expect(await keysWithoutIndexes()).toEqual([]);
});

test('Redis keys: a used grant whose requesters were lost allows no requester', async () => {
  const id = await issueTo(store, { uses: { max: 2, resumeFor: 60 } });
  await store.redeem(id, from('192.0.2.1'), true);
  await tell(redis, `DEL postern:uses:{${id}}`);
  for (const address of ['192.0.2.1', '192.0.2.2']) {
    expect(await store.redeem(id, from(address), true)).toBeUndefined();
  }
  await store.prolong(id, 'web', Date.now() + 120_000);
  expect(await store.redeem(id, from('192.0.2.1'), true)).toBeUndefined();
});

test('delivery: what was sent and who requested it live as long as the grant, also if that is prolonged', async () => {
  const now = Date.now();
  const [plain, counted] = [
    await issueTo(store, {}, now),
    await issueTo(store, { subject: 'u', uses: { max: 2, resumeFor: 300 } }, now),
  ];
  /** Milliseconds since the epoch: however long the two commands take, both are the same. */
  const endOf = async (kind: string, id: string) =>
    Number((await tell(redis, `PEXPIRETIME postern:${kind}:{${id}}`)).slice(1));
  const both = async (id: string) => (await endOf('grant', id)) - (await endOf('uses', id));
  for (const id of [plain, counted]) {
    await store.addDelivered([[id, sent([0, 1])]]);
    expect(Math.abs(await both(id))).toBeLessThan(1000);
    await store.prolong(id, 'web', now + 600_000);
    expect(await endOf('uses', id)).toBeGreaterThan(now + 500_000);
    expect(Math.abs(await both(id))).toBeLessThan(1000);
  }
  await store.redeem(counted, from(), true);
  expect(Math.abs(await both(counted))).toBeLessThan(1000);

  await store.revoke(plain, 'web');
  await store.revokeAll('web', { subject: 'u' });
  const keysFor = async (id: string) => (await keysOf(redis)).filter((key) => key.includes(id));
  for (const id of [plain, counted]) expect(await keysFor(id)).toEqual([]);
  const short = await issueTo(store, { expiresAt: Date.now() + 1000 });
  await store.addDelivered([[short, sent([0, 1])]]);
  await expect.poll(() => keysFor(short), { message: 'both keys to expire' }).toHaveLength(0);
});
