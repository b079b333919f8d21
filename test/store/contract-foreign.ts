import { expect, test } from 'vitest';
import type { Grant } from '../../service/token/grant.ts';
import { type Contracted, from, grantAt, newId } from '../support/store/grants.ts';
import { sent } from './contract-delivered.ts';

/** The rules of every store for tokens of other issuers. */
export function foreignContract({ store, now, pass }: Contracted): void {
  const foreign = (more: Partial<Grant> = {}): Grant => {
    const times = { expiresAt: now() + 60_000, signedUntil: now() + 120_000 };
    return grantAt(now(), { uses: { max: 1, resumeFor: 60 }, ...times, external: true, ...more });
  };

  test('external token: the record is stored once, with its uses, and cannot be prolonged', async () => {
    const id = newId();
    expect(await store.find(id)).toEqual({});
    const grant = foreign();
    await store.saveExternal(id, grant);
    expect(await store.prolong(id, 'web', now() + 10_000)).toBeUndefined();
    expect(await store.find(id)).toStrictEqual({ grant });
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBe('new');
    await store.saveExternal(id, foreign());
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBe('known');
    expect(await store.redeem(id, from('192.0.2.2'), true)).toBeUndefined();
  });

  test('external token: it stays revoked after a revocation by its client', async () => {
    const id = newId();
    await store.saveExternal(id, foreign());
    await store.redeem(id, from('192.0.2.1'), true);
    expect(await store.revoke(id, 'other')).toBe(false);
    expect(await store.revoke(id, 'web')).toBe(true);
    expect(await store.find(id)).toEqual({ isRevoked: true });
    expect(await store.find(id, 'timed')).toEqual({ isRevoked: true });
    await store.saveExternal(id, foreign());
    expect(await store.find(id)).toEqual({ isRevoked: true });
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBeUndefined();
    expect(await store.revoke(id, 'web')).toBe(false);
    expect(await store.prolong(id, 'web', now() + 1000)).toBeUndefined();
  });

  test('external token: a revocation by its issuer ends the uses in progress, and forgets its requesters', async () => {
    const id = newId();
    await store.saveExternal(id, foreign());
    await store.redeem(id, from('192.0.2.1'), true);
    await store.addDelivered([[id, sent([0, 1])]]);
    expect([await store.requesters(id), await store.delivered(id)]).toMatchObject([
      { total: 1 },
      {},
    ]);
    await store.revokeExternal(id, now() + 60_000);
    expect([await store.requesters(id), await store.delivered(id)]).toEqual([
      { total: 0, newest: [] },
      undefined,
    ]);
    expect(await store.find(id)).toEqual({ isRevoked: true });
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBeUndefined();
  });

  test('external token: a revocation before the first use lasts until its end', async () => {
    const id = newId();
    await store.revokeExternal(id, now() + 3000);
    expect(await store.find(id)).toEqual({ isRevoked: true });
    await store.saveExternal(id, foreign());
    expect(await store.find(id)).toEqual({ isRevoked: true });
    await pass(3000);
    await expect.poll(async () => (await store.find(id)).isRevoked).toBeFalsy();
  });

  test.each([undefined, 60_000])(
    'external token: the later end of two revocations counts: %s ms, or none, before 200',
    async (later) => {
      const id = newId();
      const until = later === undefined ? { client: newId(), max: 1 } : now() + later;
      await store.revokeExternal(id, until);
      await store.revokeExternal(id, now() + 200);
      await pass(300);
      expect(await store.find(id)).toEqual({ isRevoked: true });
      await store.saveExternal(id, foreign());
      expect(await store.find(id)).toEqual({ isRevoked: true });
    },
  );

  test('external token: a client may have a number of revocations without an end, and none is forgotten', async () => {
    const [client, ids] = [newId(), [newId(), newId(), newId()]];
    const revoke = (id: string, of = client) => store.revokeExternal(id, { client: of, max: 2 });
    const [first = '', second = '', third = ''] = ids;
    expect([await revoke(first), await revoke(second), await revoke(third)]).toEqual([
      true,
      true,
      false,
    ]);
    const found = () => Promise.all(ids.map((id) => store.find(id)));
    const revoked = { isRevoked: true };
    expect(await found()).toEqual([revoked, revoked, {}]);
    // A repetition, another client, and one with an end.
    expect(await revoke(first)).toBe(true);
    expect(await revoke(newId(), newId())).toBe(true);
    expect(await store.revokeExternal(third, now() + 60_000)).toBe(true);
    expect(await found()).toEqual([revoked, revoked, revoked]);
  });

  test('external token: the record lasts as long as the signature, so no use is taken twice', async () => {
    const id = newId();
    const uses = { max: 1, resumeFor: 0 };
    await store.saveExternal(id, foreign({ expiresAt: now() + 3000, uses }));
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBe('new');
    await pass(3050);
    expect((await store.find(id)).grant).toBeDefined();
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBeUndefined();
    expect(await store.redeem(id, from('192.0.2.2'), true)).toBeUndefined();
  });

  test('external token: it is in no list, and no revocation of its subject ends it', async () => {
    const [id, subject] = [newId(), newId()];
    await store.saveExternal(id, foreign({ subject }));
    expect((await store.list('web', { subject }, 10)).entries).toEqual([]);
    expect(await store.revokeAll('web', { subject })).toBe(0);
    expect(await store.find(id)).toMatchObject({ grant: { subject } });
  });

  /** Looks up two tokens that were signed at this time: one has a record in the store, the other has none. */
  async function foundBoth(subjectId: string, issuedAt: number) {
    const id = newId();
    await store.saveExternal(id, foreign({ issuedAt }));
    const found = [id, newId()].map((one) => store.find(one, { subjectId, issuedAt }));
    return (await Promise.all(found)).map(({ grant, isRevoked }) =>
      grant ? 'kept' : isRevoked && 'revoked',
    );
  }
  const valid = ['kept', undefined];
  const revoked = ['revoked', 'revoked'];

  test('external token: a revocation of its subject ends what was signed before, and nothing else', async () => {
    const [subject, at] = [newId(), now()];
    expect(await foundBoth(subject, at)).toEqual(valid);
    const before = 1000 * (await store.revokeSigned(subject, 5, 600_000));
    expect(before % 1000).toBe(0);
    expect(before).toBeGreaterThan(at + 5000);
    expect(before).toBeLessThanOrEqual(now() + 6000);
    expect(await foundBoth(subject, before - 1)).toEqual(revoked);
    expect(await foundBoth(subject, before)).toEqual(valid);
    expect(await foundBoth(newId(), before - 1)).toEqual(valid);
    // A token without a subject.
    expect(await store.find(newId())).toEqual({});
  });

  test('external token: what is signed again after the revocation of its subject has the record of the first use', async () => {
    const [id, subjectId, at] = [newId(), newId(), now()];
    await store.saveExternal(id, foreign({ issuedAt: at - 1 }));
    const again = { subjectId, issuedAt: at + 60_000 };
    expect(await store.find(id, again)).toMatchObject({ grant: { issuedAt: at - 1 } });
    await store.revokeSigned(subjectId, 5, 600_000);
    expect(await store.find(id, again)).toEqual({ isRevoked: true });
  });

  test('external token: the later of two revocations of its subject counts', async () => {
    const subject = newId();
    const later = await store.revokeSigned(subject, 60, 600_000);
    expect(await store.revokeSigned(subject, 5, -70_000)).toBe(later);
    await pass(300);
    expect(await foundBoth(subject, later * 1000 - 1)).toEqual(revoked);
    const latest = await store.revokeSigned(subject, 120, 600_000);
    expect(latest).toBeGreaterThan(later);
    expect(await foundBoth(subject, latest * 1000 - 1)).toEqual(revoked);
    expect(await foundBoth(subject, latest * 1000)).toEqual(valid);
  });
}
