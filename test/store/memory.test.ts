import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { grantAt, newId } from '../support/store/grants.ts';
import { storeContract } from './contract.ts';

storeContract('memory', async () => {
  let time = 1_800_000_000_000;
  const now = () => time;
  const store = createMemoryStore({ now });
  const pass = async (ms: number) => {
    time += ms;
  };
  return { store, now, pass, close: () => store.close() };
});

test('memory store: grants and revocations that have not ended outlast a sweep', async () => {
  let now = 1000;
  const store = createMemoryStore({ now: () => now });
  const [id, revoked, subjectId] = [newId(), newId(), newId()];
  await store.issue([[id, grantAt(now)]]);
  await store.revokeExternal(revoked, now + 60_000);
  await store.revokeSigned(subjectId, 5, 60_000);
  now += 59_999;
  await store.issue([[newId(), grantAt(now)]]);
  expect((await store.find(id)).grant).toBeDefined();
  expect(await store.find(revoked)).toEqual({ isRevoked: true });
  expect(await store.find(newId(), { subjectId, issuedAt: 1 })).toEqual({ isRevoked: true });
});

test('memory store: one sweep at a time, in pieces, so that decisions do not wait for all tokens', async () => {
  let time = 1000;
  let looks = 0;
  const now = () => {
    looks += 1;
    return time;
  };
  const store = createMemoryStore({ now });
  const grant = grantAt(time, { expiresAt: time + 1e9 });
  const grants = Array.from({ length: 2000 }, () => [newId(), grant] as const);
  await store.issue(grants);
  time += 60_000;
  looks = 0;
  await store.issue([]);
  const pieces = [looks];
  time += 60_000;
  await store.issue([]);
  for (let i = 0; i < 200; i += 1, pieces.push(looks)) await turn();
  expect(looks).toBeGreaterThan(2000);
  expect(looks).toBeLessThan(2500);
  const sizes = pieces.map((count, i) => count - (pieces[i - 1] ?? 0));
  expect(Math.max(...sizes)).toBeLessThan(50);
});
