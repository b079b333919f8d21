import { expect, test } from 'vitest';
import { type Contracted, from, newId } from '../support/store/grants.ts';

/** Seconds. */
const LONGER = 3;

/** The rules for grants of a mount whose downloads may run longer than the grant (`downloadTime`). */
export function downloadsContract({ store, now, pass, issue }: Contracted): void {
  const ending = (ms: number, more = {}) =>
    issue({ expiresAt: now() + ms, downloadTime: LONGER, ...more });

  test('downloadTime: a grant is found, listed and revoked so much longer, with no time left', async () => {
    const subject = newId();
    const id = await ending(500, { subject });
    const other = await ending(500, { subject });
    await pass(600);
    const found = await store.find(id, 'timed');
    expect(found).toMatchObject({ grant: { downloadTime: LONGER } });
    expect(found.leftMs).toBeLessThanOrEqual(0);
    expect((await store.list('web', { subject }, 10)).entries).toHaveLength(2);
    expect(await store.revoke(id, 'web')).toBe(true);
    expect(await store.revokeAll('web', { subject })).toBe(1);
    expect(await store.find(other)).toEqual({});
  });

  test('downloadTime: it is gone after that', async () => {
    const id = await ending(10);
    await pass(LONGER * 1000 + 500);
    expect(await store.find(id)).toEqual({});
  });

  test('downloadTime: a use is judged at the time that is given', async () => {
    const began = now();
    const id = await ending(1500, { uses: { max: 2, resumeFor: 0 } });
    const [one, other] = [from('192.0.2.1'), from('192.0.2.2')];
    expect(await store.redeem(id, one, true, began)).toBe('new');
    await pass(1600);
    expect(await store.redeem(id, one, true)).toBeUndefined();
    expect(await store.redeem(id, one, true, began)).toBe('known');
    expect(await store.redeem(id, other, true)).toBeUndefined();
  });

  test('downloadTime: a new end counts from the grant, and the downloads again from the end', async () => {
    const id = await ending(60_000);
    const end = now() + 1000;
    await store.prolong(id, 'web', end);
    await pass(1100);
    expect((await store.find(id, 'timed')).leftMs).toBeLessThanOrEqual(0);
    await pass(LONGER * 1000 + 500);
    expect(await store.find(id)).toEqual({});
  });
}
