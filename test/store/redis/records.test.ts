import { afterAll, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../service/store/connection/server.ts';
import { createIssues } from '../../../service/store/redis/grants.ts';
import type { Replicas } from '../../../service/store/redis/replicas.ts';
import { createKeys, type Shared } from '../../../service/store/redis/shared.ts';
import { StoreUnavailable } from '../../../service/token/store.ts';
import { issueTo, newId } from '../grants.ts';
import { startStore, tell } from '../open-redis.ts';

const { redis, store } = await startStore({}, afterAll);

test.each([
  ['another layout', '{"v":2,"c":"web","m":"/d/","p":"/d/a","i":1,"x":2}'],
  ['an empty record', ''],
  ['half a record', '{"v":1,"c":"web"'],
  ['another program’s value', 'yes'],
])('Redis records: %s is an error, not a missing grant, and is not changed', async (_, record) => {
  const id = newId();
  const key = `postern:grant:{${id}}`;
  await tell(redis, `SET ${key} '${record}' EX 60`);
  await expect(store.find(id)).rejects.toThrow(StoreUnavailable);
  await expect(store.prolong(id, 'web', Date.now() + 1000)).rejects.toThrow(StoreUnavailable);
  expect(await tell(redis, `GET ${key}`)).toContain(record);
});

test.each(['', 'yes', '{"v":1}', 'NaN'])(
  'Redis records: %j instead of the time of a revocation ends the tokens of the subject',
  async (value) => {
    const subjectId = newId();
    await tell(redis, `SET postern:signed:{${subjectId}} '${value}' EX 60`);
    const signed = { subjectId, issuedAt: Date.now() };
    expect(await store.findExternal(newId(), signed)).toBe('revoked');
  },
);

test('Redis records: a key of another type allows nothing and is not changed', async () => {
  const id = newId();
  await tell(redis, `LPUSH postern:grant:{${id}} x`);
  expect(await store.find(id)).toBeUndefined();
  await expect(store.revoke(id, 'web')).rejects.toThrow(StoreUnavailable);
  expect(await store.prolong(id, 'web', Date.now() + 1000)).toBeUndefined();
  expect(await tell(redis, `TYPE postern:grant:{${id}}`)).toContain('list');
});

test('Redis records: an index of another type is an error', async () => {
  await tell(redis, 'SET postern:subject:{web:broken} x');
  await expect(issueTo(store, { subject: 'broken' })).rejects.toThrow(StoreUnavailable);
  await expect(store.list('web', { subject: 'broken' }, 10)).rejects.toThrow(StoreUnavailable);
  await expect(store.revokeSubject('web', 'broken')).rejects.toThrow(StoreUnavailable);
});

test('Redis records: a grant is not prolonged if its index cannot be updated', async () => {
  const id = await issueTo(store, { subject: 'later broken' });
  const grant = await store.find(id);
  await tell(redis, 'SET "postern:subject:{web:later broken}" x');
  await expect(store.prolong(id, 'web', Date.now() + 90_000)).rejects.toThrow(StoreUnavailable);
  expect(await store.find(id)).toEqual(grant);
});

test('prolong: an earlier end is confirmed again, although another one was confirmed meanwhile', async () => {
  const connection = connect({ url: redis.url, timeoutMs: 5000 }, async () => {});
  onTestFinished(() => connection.close());
  /** Confirmations that the replicas owe. */
  const owed: Array<{ readonly confirm: () => void; readonly fail: () => void }> = [];
  const confirmed: Replicas['confirmed'] = async (_, operation, isNeeded = () => true) => {
    const result = await operation();
    if (!isNeeded(result)) return result;
    return new Promise((resolve, reject) => {
      owed.push({ confirm: () => resolve(result), fail: () => reject(new Error('unconfirmed')) });
    });
  };
  const keys = createKeys('postern:');
  const { redis: commands } = connection;
  const shared = {
    ...{ connection, keys, confirmed, now: Date.now, replicas: {} },
    run: (script, names, args) => commands.eval(script, names.length, ...names, ...args),
  } as Partial<Shared> as Shared;
  const { prolong } = createIssues(shared, store.find);

  const now = Date.now();
  const id = await issueTo(store, { expiresAt: now + 600_000 });
  const first = prolong(id, 'web', now + 300_000);
  await expect.poll(() => owed.length).toBe(1);
  const second = prolong(id, 'web', now + 200_000);
  await expect.poll(() => owed.length).toBe(2);
  owed[0]?.confirm();
  await first;
  owed[1]?.fail();
  await expect(second).rejects.toThrow('unconfirmed');
  let isDone = false;
  // As the API: from now.
  const again = prolong(id, 'web', Date.now() + 200_000).then(() => {
    isDone = true;
  });
  await expect.poll(() => isDone || owed.length === 3).toBe(true);
  expect(owed).toHaveLength(3);
  owed[2]?.confirm();
  await again;
  // On the same connection, so the mark is gone.
  expect(await commands.hget(keys.uses(id), 'we')).toBeNull();
});
