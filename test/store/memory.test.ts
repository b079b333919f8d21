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
  await store.revokeSigned(subjectId, now, now + 60_000);
  now += 59_999;
  await store.issue([[newId(), grantAt(now)]]);
  expect((await store.find(id)).grant).toBeDefined();
  expect(await store.find(revoked)).toEqual({ isRevoked: true });
  expect(await store.find(newId(), { subjectId, issuedAt: 1 })).toEqual({ isRevoked: true });
});

test('memory store: a sweep has steps, so that decisions do not wait for all tokens', async () => {
  let time = 1000;
  let looks = 0;
  const now = () => {
    looks += 1;
    return time;
  };
  const store = createMemoryStore({ now });
  const grants = Array.from({ length: 12_000 }, () => [newId(), grantAt(time)] as const);
  await store.issue(grants);
  time += 60_000;
  const steps: number[] = [];
  for (let i = 0; i < 4; i += 1) {
    looks = 0;
    await store.issue([]);
    steps.push(looks);
  }
  expect(steps.map((count) => Math.round(count / 1000))).toEqual([5, 5, 2, 0]);
});
