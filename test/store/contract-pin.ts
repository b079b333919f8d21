import { expect, test } from 'vitest';
import { MAX_PIN_ATTEMPTS as MAX } from '../../service/token/pin.ts';
import { digest } from '../../service/token/token.ts';
import { grantAt, newId, type Opened } from './grants.ts';

/** The rules of a store for grants with a PIN. */
export function pinContract(get: () => Opened): void {
  async function issue(ms = 60_000): Promise<string> {
    const id = newId();
    const { store, now } = get();
    const pinned = { confirm: true, pinHash: 'salt.hash', uses: { resumeFor: 3600 } } as const;
    await store.issue([[id, grantAt(now(), { ...pinned, expiresAt: now() + ms })]]);
    return id;
  }
  const requester = () => ({ cookies: [], newCookie: digest(newId()) });

  test('countAttempt: counts up to the maximum, and the next attempt ends the grant', async () => {
    const { store } = get();
    const id = await issue();
    for (let i = 1; i <= MAX; i += 1) expect(await store.countAttempt(id, MAX)).toBe(i);
    expect(await store.find(id)).toMatchObject({ pinHash: 'salt.hash' });
    expect(await store.countAttempt(id, MAX)).toBe(0);
    expect(await store.find(id)).toBeUndefined();
    expect(await store.countAttempt(id, MAX)).toBeUndefined();
  });

  test('countAttempt: of many simultaneous attempts exactly the maximum is counted, and one ends the grant', async () => {
    const { store } = get();
    const id = await issue();
    const all = await Promise.all(Array.from({ length: 50 }, () => store.countAttempt(id, MAX)));
    const counted = all.filter((attempt) => attempt !== undefined);
    expect(counted.sort((a, b) => a - b)).toEqual(Array.from({ length: MAX + 1 }, (_, i) => i));
    expect(await store.find(id)).toBeUndefined();
  });

  test('countAttempt: a new requester gets its attempt back, also after the first use', async () => {
    const { store } = get();
    const id = await issue();
    for (let i = 0; i < MAX + 5; i += 1) {
      expect(await store.countAttempt(id, MAX)).toBe(1);
      expect(await store.redeem(id, requester(), true)).toBe('new');
    }
    // HEAD gives no attempt back, and no attempt is given back without one before.
    await store.redeem(id, requester(), true);
    expect(await store.countAttempt(id, MAX)).toBe(1);
    await store.redeem(id, requester(), false);
    expect(await store.countAttempt(id, MAX)).toBe(2);
    expect(await store.countAttempt(id, MAX)).toBe(3);
    // Only its own attempt.
    await store.redeem(id, requester(), true);
    expect(await store.countAttempt(id, MAX)).toBe(3);
    expect(await store.requesters(id)).toHaveLength(MAX + 7);
  });

  test('countAttempt: prolonging a grant neither resets the attempts nor loses the PIN', async () => {
    const { store, now } = get();
    const id = await issue();
    await store.countAttempt(id, MAX);
    await store.prolong(id, 'web', now() + 120_000);
    expect(await store.find(id)).toMatchObject({ confirm: true, pinHash: 'salt.hash' });
    expect(await store.countAttempt(id, MAX)).toBe(2);
  });

  test('countAttempt: a grant that is unknown, or has no PIN, has no attempts', async () => {
    const { store, now } = get();
    const id = newId();
    expect(await store.countAttempt(id, MAX)).toBeUndefined();
    await store.issue([[id, grantAt(now(), { confirm: true, uses: { resumeFor: 0 } })]]);
    expect(await store.countAttempt(id, MAX)).toBeUndefined();
    expect(await store.find(id)).toBeDefined();
  });
}
