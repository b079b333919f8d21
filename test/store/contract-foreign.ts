import { expect, test } from 'vitest';
import { waitFor } from '../../dev/wait.ts';
import type { Grant } from '../../service/domain/grant.ts';
import type { Requester } from '../../service/domain/requester.ts';
import { digest } from '../../service/domain/token.ts';
import { grantAt, newId, type Opened } from './grants.ts';

const from = (address: string): Requester => ({ address, cookies: [], newCookie: digest(newId()) });

/** What every store holds to, of tokens that others sign. */
export function foreignContract(get: () => Opened): void {
  const foreign = (more: Partial<Grant> = {}): Grant => {
    const { now } = get();
    const uses = { max: 1, resumeFor: 60 };
    const times = { expiresAt: now() + 60_000, signedUntil: now() + 120_000 };
    return grantAt(now(), { uses, ...times, external: true, ...more });
  };

  test('what others signed is kept once, with its uses', async () => {
    const { store } = get();
    const id = newId();
    expect(await store.findExternal(id)).toBeUndefined();
    const grant = foreign();
    await store.saveExternal(id, grant);
    expect(await store.findExternal(id)).toStrictEqual(grant);
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBe('new');
    await store.saveExternal(id, foreign());
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBe('known');
    expect(await store.redeem(id, from('192.0.2.2'), true)).toBeUndefined();
  });

  test('revoked by its client it stays so, and is not kept again', async () => {
    const { store } = get();
    const id = newId();
    await store.saveExternal(id, foreign());
    await store.redeem(id, from('192.0.2.1'), true);
    expect(await store.revoke(id, 'other')).toBe(false);
    expect(await store.revoke(id, 'web')).toBe(true);
    expect(await store.findExternal(id)).toBe('revoked');
    expect(await store.find(id)).toBeUndefined();
    await store.saveExternal(id, foreign());
    expect(await store.findExternal(id)).toBe('revoked');
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBeUndefined();
    expect(await store.revoke(id, 'web')).toBe(false);
    expect(await store.prolong(id, 'web', get().now() + 1000)).toBeUndefined();
  });

  test('disowned before anyone has seen it, it is revoked until then', async () => {
    const { store, now, pass } = get();
    const id = newId();
    await store.revokeExternal(id, now() + 400);
    expect(await store.findExternal(id)).toBe('revoked');
    await store.saveExternal(id, foreign());
    expect(await store.findExternal(id)).toBe('revoked');
    await pass(400);
    await waitFor(async () => (await store.findExternal(id)) === undefined, {
      what: 'it to be forgotten',
    });
  });

  test('disowned without an end, it stays so, whatever end is named later', async () => {
    const { store, now, pass } = get();
    const id = newId();
    await store.revokeExternal(id);
    await store.revokeExternal(id, now() + 200);
    await pass(300);
    expect(await store.findExternal(id)).toBe('revoked');
    await store.saveExternal(id, foreign());
    expect(await store.findExternal(id)).toBe('revoked');
  });

  test('of two ends of a revocation the later one counts', async () => {
    const { store, now, pass } = get();
    const id = newId();
    await store.revokeExternal(id, now() + 60_000);
    await store.revokeExternal(id, now() + 200);
    await pass(300);
    expect(await store.findExternal(id)).toBe('revoked');
  });

  test('disowned while it is used, nobody goes on', async () => {
    const { store, now } = get();
    const id = newId();
    await store.saveExternal(id, foreign());
    await store.redeem(id, from('192.0.2.1'), true);
    await store.revokeExternal(id, now() + 60_000);
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBeUndefined();
    expect(await store.findExternal(id)).toBe('revoked');
  });

  test('it is kept for as long as it is signed: forgotten, it could be used again', async () => {
    const { store, now, pass } = get();
    const id = newId();
    await store.saveExternal(
      id,
      foreign({ expiresAt: now() + 200, uses: { max: 1, resumeFor: 0 } }),
    );
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBe('new');
    await pass(300);
    expect(await store.findExternal(id)).toBeDefined();
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBeUndefined();
    expect(await store.redeem(id, from('192.0.2.2'), true)).toBeUndefined();
  });

  test('it is not prolonged', async () => {
    const { store, now } = get();
    const id = newId();
    const grant = foreign();
    await store.saveExternal(id, grant);
    expect(await store.prolong(id, 'web', now() + 10_000)).toBeUndefined();
    expect(await store.findExternal(id)).toStrictEqual(grant);
  });
}
