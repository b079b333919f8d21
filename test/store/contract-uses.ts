import { expect, test } from 'vitest';
import type { Uses } from '../../service/token/grant.ts';
import { MAX_REQUESTERS } from '../../service/token/grant-fields.ts';
import { MAX_SHOWN_REQUESTERS } from '../../service/token/store.ts';
import { digest } from '../../service/token/token.ts';
import type { Requester } from '../../service/token/uses.ts';
import { waitFor } from '../harness/wait.ts';
import { type Contracted, from, newId } from '../support/store/grants.ts';

/** The rules of a store for grants that distinguish requesters. */
export function usesContract({ store, now, pass, issue: issueGrant }: Contracted): void {
  const issue = (uses: Partial<Uses>, ms = 60_000) =>
    issueGrant({ uses: { resumeFor: 3600, ...uses }, expiresAt: now() + ms });
  const redeem = (id: string, requester: Requester) => store.redeem(id, requester, true);
  const look = (id: string, requester: Requester) => store.redeem(id, requester, false);

  test('uses: one use is for one requester, recognized by address or cookie', async () => {
    const id = await issue({ max: 1 });
    expect(await redeem(id, from('192.0.2.1', [], 'mine'))).toBe('new');
    expect(await redeem(id, from('192.0.2.1'))).toBe('known');
    expect(await redeem(id, from('192.0.2.9', ['mine']))).toBe('known');
    expect(await redeem(id, from('192.0.2.9', ['theirs', 'mine', 'old']))).toBe('known');
    expect(await redeem(id, from('192.0.2.9'))).toBeUndefined();
    expect(await redeem(id, from('192.0.2.9', ['theirs']))).toBeUndefined();
    // A request with the cookie does not add its address.
    expect(await redeem(id, from('192.0.2.9'))).toBeUndefined();
  });

  test('uses: only the cookie of the first use is valid', async () => {
    const id = await issue({ max: 1 });
    await redeem(id, from('192.0.2.1', [], 'first'));
    await redeem(id, from('192.0.2.1', [], 'never given'));
    await redeem(id, from('192.0.2.2', [], 'refused'));
    for (const cookie of ['never given', 'refused']) {
      expect(await redeem(id, from('192.0.2.3', [cookie]))).toBeUndefined();
    }
  });

  test('uses: with cookieOnly the address is ignored', async () => {
    const id = await issue({ max: 2, cookieOnly: true });
    expect(await redeem(id, from('192.0.2.1', [], 'a'))).toBe('new');
    expect(await redeem(id, from('192.0.2.1', [], 'b'))).toBe('new');
    expect(await redeem(id, from('192.0.2.1'))).toBeUndefined();
    expect(await redeem(id, from('192.0.2.7', ['a']))).toBe('known');
    expect(await redeem(id, from('192.0.2.8', ['b']))).toBe('known');
  });

  test('uses: a requester without an address is recognized only by the cookie', async () => {
    const id = await issue({ max: 1 });
    const nobody = from(undefined, [], 'mine');
    expect(await redeem(id, nobody)).toBe('new');
    expect(await redeem(id, nobody)).toBeUndefined();
    expect(await redeem(id, from(''))).toBeUndefined();
    expect(await redeem(id, from(undefined, ['mine']))).toBe('known');
  });

  test('uses: HEAD takes no use, and is allowed if the requester has a use or could take one', async () => {
    const id = await issue({ max: 1 });
    for (let i = 0; i < 5; i += 1) expect(await look(id, from(`192.0.2.${i}`))).toBe('new');
    expect((await store.requesters(id)).total).toBe(0);
    expect(await redeem(id, from('192.0.2.1', [], 'mine'))).toBe('new');
    expect(await look(id, from('192.0.2.1'))).toBe('known');
    expect(await look(id, from('192.0.2.2', ['mine']))).toBe('known');
    expect(await look(id, from('192.0.2.2'))).toBeUndefined();
  });

  test('uses: of many simultaneous requesters exactly max are new', async () => {
    for (const max of [1, 7, MAX_REQUESTERS]) {
      const id = await issue({ max });
      const all = await Promise.all(
        Array.from({ length: max + 300 }, (_, i) => redeem(id, from(`10.0.${i >> 8}.${i & 255}`))),
      );
      expect(all.filter((redeemed) => redeemed === 'new')).toHaveLength(max);
      expect(all.filter((redeemed) => redeemed === 'known')).toHaveLength(0);
      expect((await store.requesters(id)).total).toBe(max);
    }
  });

  test('uses: a requester may continue for resumeFor, even after the grant expires', async () => {
    const id = await issue({ max: 2, resumeFor: 8 }, 5000);
    expect(await redeem(id, from('192.0.2.1', [], 'a'))).toBe('new');
    await pass(2500);
    expect(await redeem(id, from('192.0.2.2', [], 'b'))).toBe('new');
    await pass(2550);
    // After the end there are no new requesters, and the others continue.
    expect(await redeem(id, from('192.0.2.3'))).toBeUndefined();
    expect(await look(id, from('192.0.2.3'))).toBeUndefined();
    expect(await redeem(id, from('192.0.2.1'))).toBe('known');
    const { newest } = await store.requesters(id);
    expect(newest).toHaveLength(2);
    await waitEnd(() => redeem(id, from('192.0.2.9', ['a'])));
    // Each requester has its own time, from its first use on.
    expect(await redeem(id, from('192.0.2.9', ['b']))).toBe('known');
    await waitEnd(() => redeem(id, from('192.0.2.2')));
    await waitEnd(async () => (await store.find(id)).grant);
    expect(now()).toBeGreaterThanOrEqual((newest[1]?.began ?? 0) + 7900);
    expect(await store.prolong(id, 'web', now() + 60_000)).toBeUndefined();
  });

  /** Lets time pass until the result is undefined. */
  async function waitEnd(what: () => Promise<unknown>): Promise<void> {
    const ended = async () => {
      await pass(200);
      return (await what()) === undefined;
    };
    await waitFor(ended, { what: 'it to end' });
  }

  test('uses: with resumeFor 0 a requester may continue until the grant expires', async () => {
    const id = await issue({ max: 1, resumeFor: 0 }, 3000);
    expect(await redeem(id, from('192.0.2.1'))).toBe('new');
    expect(await redeem(id, from('192.0.2.1'))).toBe('known');
    await pass(3050);
    expect(await redeem(id, from('192.0.2.1'))).toBeUndefined();
    expect((await store.find(id)).grant).toBeUndefined();
  });

  test('uses: without max any number of requesters are new, and each may resume', async () => {
    const id = await issue({ resumeFor: 60 }, 3000);
    for (let i = 0; i < 20; i += 1) expect(await redeem(id, from(`192.0.2.${i}`))).toBe('new');
    await pass(3050);
    for (let i = 0; i < 20; i += 1) expect(await redeem(id, from(`192.0.2.${i}`))).toBe('known');
    expect(await redeem(id, from('192.0.2.77'))).toBeUndefined();
  });

  test('uses: without max the number of requesters is bounded, and the oldest are dropped', async () => {
    const id = await issue({ resumeFor: 60, cookieOnly: true });
    const count = MAX_REQUESTERS + 5;
    for (let i = 0; i < count; i += 1) await redeem(id, from('192.0.2.1', [], `cookie ${i}`));
    const { total, newest } = await store.requesters(id);
    expect([total, newest.length]).toEqual([MAX_REQUESTERS, MAX_SHOWN_REQUESTERS]);
    expect(newest[0]?.cookie).toBe(digest(`cookie ${count - MAX_SHOWN_REQUESTERS}`));
    expect(newest.at(-1)?.cookie).toBe(digest(`cookie ${count - 1}`));
    expect(await look(id, from('192.0.2.1', [`cookie ${count - 1}`]))).toBe('known');
    expect(await look(id, from('192.0.2.1', ['cookie 4']))).toBe('new');
  });

  test('prolong: allows new requesters for longer, and does not change the time of others', async () => {
    const id = await issue({ max: 3, resumeFor: 60 }, 3000);
    await redeem(id, from('192.0.2.1'));
    await pass(3050);
    expect(await redeem(id, from('192.0.2.2'))).toBeUndefined();
    await store.prolong(id, 'web', now() + 20_000);
    expect((await store.requesters(id)).total).toBe(1);
    expect(await redeem(id, from('192.0.2.2'))).toBe('new');
    await store.prolong(id, 'web', now() + 1);
    await pass(20);
    expect(await redeem(id, from('192.0.2.3'))).toBeUndefined();
    expect(await redeem(id, from('192.0.2.1'))).toBe('known');
    expect(await redeem(id, from('192.0.2.2'))).toBe('known');
  });

  test('prolong: a shortened grant exists until its last requester ends', async () => {
    const id = await issue({ max: 2, resumeFor: 5 });
    await redeem(id, from('192.0.2.1'));
    await pass(2500);
    await redeem(id, from('192.0.2.2'));
    await store.prolong(id, 'web', now() + 1);
    await waitEnd(() => redeem(id, from('192.0.2.1')));
    expect(await redeem(id, from('192.0.2.2'))).toBe('known');
    await waitEnd(async () => (await store.find(id)).grant);
  });

  test('prolong: works before the first use', async () => {
    const id = await issue({ max: 1, resumeFor: 60 }, 3000);
    await store.prolong(id, 'web', now() + 30_000);
    await pass(3050);
    expect(await redeem(id, from('192.0.2.1'))).toBe('new');
    expect(await redeem(id, from('192.0.2.1'))).toBe('known');
  });

  test('uses: a revoked grant cannot be used, and a use does not restore it', async () => {
    const id = await issue({ max: 5 });
    await redeem(id, from('192.0.2.1'));
    expect(await store.revoke(id, 'web')).toBe(true);
    expect(await redeem(id, from('192.0.2.1'))).toBeUndefined();
    expect(await look(id, from('192.0.2.1'))).toBeUndefined();
    expect((await store.find(id)).grant).toBeUndefined();
    expect(await redeem(newId(), from('192.0.2.1'))).toBeUndefined();
  });

  test('uses: a grant without uses cannot be redeemed', async () => {
    const id = await issueGrant();
    const grant = (await store.find(id)).grant;
    expect(await redeem(id, from('192.0.2.1'))).toBeUndefined();
    expect((await store.find(id)).grant).toEqual(grant);
  });

  test('uses: a requester is stored with its start, cookie and address', async () => {
    const id = await issue({ max: 2, resumeFor: 60 });
    const start = now();
    await redeem(id, from('2001:db8:0:1::/64', [], 'a'));
    await redeem(id, from(undefined, [], 'b'));
    const { newest } = await store.requesters(id);
    expect(newest).toEqual([
      { began: expect.any(Number), cookie: digest('a'), address: '2001:db8:0:1::/64' },
      { began: expect.any(Number), cookie: digest('b') },
    ]);
    for (const { began } of newest) {
      expect(began).toBeGreaterThanOrEqual(start);
      expect(began).toBeLessThanOrEqual(now());
    }
  });

  test('revoke all: a grant is revoked while a requester may continue', async () => {
    const subject = newId();
    const uses = { max: 1, resumeFor: 60 };
    const id = await issueGrant({ subject, uses, expiresAt: now() + 3000 });
    await redeem(id, from('192.0.2.1'));
    await pass(3050);
    expect((await store.list('web', { subject }, 10)).entries).toMatchObject([[id, { subject }]]);
    expect(await store.revokeAll('web', { subject })).toBe(1);
    expect(await redeem(id, from('192.0.2.1'))).toBeUndefined();
  });
}
