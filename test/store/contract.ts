import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Grant } from '../../service/token/grant.ts';
import type { Entry, Store } from '../../service/token/store.ts';
import { MAX_PIN_ATTEMPTS as MAX } from '../../service/token/uses.ts';
import { waitFor } from '../harness/wait.ts';
import {
  type Contracted,
  from,
  grantAt,
  issueTo,
  newId,
  type Opened,
} from '../support/store/grants.ts';
import { deliveredContract } from './contract-delivered.ts';
import { downloadsContract } from './contract-downloads.ts';
import { foreignContract } from './contract-foreign.ts';
import { listsContract } from './contract-lists.ts';
import { usesContract } from './contract-uses.ts';

export interface ContractOptions {
  /** Time really passes, so the tests wait at the same time. */
  readonly concurrent?: boolean;
}

/**
 * The rules that every store keeps. Where time really passes, a grant has seconds for what a test does
 * before it ends, because the machine may be busy.
 */
export function storeContract(
  name: string,
  open: () => Promise<Opened>,
  options: ContractOptions = {},
): void {
  describe(`${name} keeps the contract`, options, () => {
    let opened: Opened;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());
    /** It has its methods when it is open. */
    const store = new Proxy({} as Store, { get: (_, name: keyof Store) => opened.store[name] });
    const now = () => opened.now();
    const pass = (ms: number) => opened.pass(ms);
    const issue = (more?: Partial<Grant>) => issueTo(store, more, now());
    const contracted = { store, now, pass, issue };

    async function expire(id: string, ms: number): Promise<void> {
      await pass(ms);
      await waitFor(async () => (await store.find(id)).grant === undefined, { what: 'its end' });
    }

    test('issue: an issued grant is found with every field', async () => {
      const full: Grant = grantAt(now(), {
        mount: 'a.example/dl é/',
        site: 'a.example',
        covers: '/dl é/"\\u0041"/\u2028\u{1f600}/',
        subject: 'user:42 % é "\\',
        target: '/protected/é/',
        filename: 'é "x" \u{1f600}.pdf',
        disposition: 'inline',
        size: 0,
        sender: 'é "\\',
        targetArgs: 'X-Amz-Expires=60&a=%2F',
        limitRate: 1_000_000_000_000,
        notBefore: 1_800_000_000,
        maxBytes: 10_000_000_000_000,
        ip: ['192.0.2.0/24', '2001:db8::/48'],
        cookie: true,
        confirm: true,
        pinHmac: 'c2FsdA.aGFzaA',
        downloadTime: 86_400,
        signedUntil: now() + 1_000_000_000_000,
        uses: { max: 1000, resumeFor: 1_000_000_000, cookieOnly: true },
        expiresAt: now() + 1_000_000_000_000,
      });
      const entries = [full, grantAt(now())].map((grant): Entry => [newId(), grant]);
      await store.issue(entries);
      for (const [id, grant] of entries) expect((await store.find(id)).grant).toStrictEqual(grant);
    });

    test('find: an unknown grant is not found', async () => {
      const id = newId();
      expect(await store.find(id, 'timed')).toEqual({});
      expect(await store.prolong(id, 'web', now() + 60_000)).toBeUndefined();
      expect((await store.find(id)).grant).toBeUndefined();
      expect(await store.revoke(id, 'web')).toBe(false);
      expect(await store.revokeAll('web', { subject: 'nobody' })).toBe(0);
      expect(await store.revokeAll('nobody', {})).toBe(0);
    });

    test('expiry: an expired grant cannot be restored', async () => {
      const id = await issue({ expiresAt: now() + 3000, subject: 'late' });
      expect((await store.find(id)).grant).toBeDefined();
      await expire(id, 3000);
      expect(await store.prolong(id, 'web', now() + 60_000)).toBeUndefined();
      expect(await store.revoke(id, 'web')).toBe(false);
      expect(await store.revokeAll('web', { subject: 'late' })).toBe(0);
      expect((await store.find(id)).grant).toBeUndefined();
    });

    test('prolong: changes only the end', async () => {
      const more = { subject: 'é/"\\', filename: '\u{1f600}/\u2028', limitRate: 999_999_999_999 };
      const id = await issue({ ...more, expiresAt: now() + 3000 });
      const before = (await store.find(id)).grant;
      const expiresAt = now() + 1_000_000_000_000;
      expect(await store.prolong(id, 'web', expiresAt)).toStrictEqual({ ...before, expiresAt });
      await pass(3050);
      expect((await store.find(id)).grant).toStrictEqual({ ...before, expiresAt });
    });

    test('issue: an expired grant is accepted and not found', async () => {
      const late = await issue({ expiresAt: now() - 5 });
      await expire(late, 2);
      const cut = await issue({ subject: newId() });
      await store.prolong(cut, 'web', now() - 5);
      await expire(cut, 2);
    });

    test('revoke, prolong: only the client of a grant can', async () => {
      const subject = newId();
      const id = await issue({ subject });
      const before = (await store.find(id)).grant;
      for (const client of ['other', 'we', 'web2', '']) {
        expect(await store.prolong(id, client, now() + 1)).toBeUndefined();
        expect(await store.revoke(id, client)).toBe(false);
        expect(await store.revokeAll(client, { subject })).toBe(0);
      }
      expect((await store.find(id)).grant).toStrictEqual(before);
    });

    test('revoke: a revoked grant stays revoked', async () => {
      const id = await issue();
      expect(await store.revoke(id, 'web')).toBe(true);
      expect(await store.find(id, 'timed')).toEqual({});
      expect(await store.revoke(id, 'web')).toBe(false);
      expect(await store.prolong(id, 'web', now() + 60_000)).toBeUndefined();
      expect((await store.find(id)).grant).toBeUndefined();
    });

    test('revoke all: ends only the grants of the client and subject', async () => {
      const subject = `user:${newId()}`;
      const mine = [await issue({ subject }), await issue({ subject })];
      const revoked = await issue({ subject });
      await store.revoke(revoked, 'web');
      const prolonged = await issue({ subject });
      await store.prolong(prolonged, 'web', now() + 120_000);
      const others = [
        await issue({ subject, client: 'other' }),
        await issue({ subject: `${subject}2` }),
        await issue({ subject: subject.slice(0, -1) }),
        await issue(),
      ];
      expect(await store.revokeAll('web', { subject })).toBe(3);
      for (const id of [...mine, prolonged]) expect((await store.find(id)).grant).toBeUndefined();
      for (const id of others) expect((await store.find(id)).grant).toBeDefined();
      expect(await store.revokeAll('web', { subject })).toBe(0);
    });

    test('find: a grant is found with its remaining time', async () => {
      const left = async (id: string) => (await store.find(id, 'timed')).leftMs ?? Number.NaN;
      const end = now() + 30_000;
      const id = await issue({ expiresAt: end });
      expect((await store.find(id, 'timed')).grant).toStrictEqual((await store.find(id)).grant);
      expect(await left(id)).toBeLessThanOrEqual(30_000);
      // What is left after the answer, however long it took.
      expect(await left(id)).toBeGreaterThanOrEqual(end - now() - 100);
      const later = now() + 90_000;
      await store.prolong(id, 'web', later);
      expect(await left(id)).toBeLessThanOrEqual(90_000);
      expect(await left(id)).toBeGreaterThanOrEqual(later - now() - 100);
      await store.prolong(id, 'web', now() + 3000);
      expect(await left(id)).toBeLessThanOrEqual(3000);
      await expire(id, 3000);
      expect(await store.find(id, 'timed')).toEqual({});
    });

    pinContract(contracted);
    deliveredContract(contracted);
    usesContract(contracted);
    foreignContract(contracted);
    listsContract(contracted);
    downloadsContract(contracted);

    test('check: resolves if the store accepts a write', async () => {
      const { masters, answering, warning } = await store.check();
      expect(masters).toBeGreaterThan(0);
      expect([answering, warning]).toEqual([masters, undefined]);
    });
  });
}

/** The rules of a store for grants with a PIN. */
function pinContract({ store, now, issue: issueGrant }: Contracted): void {
  const issue = () => issueGrant({ confirm: true, pinHmac: 'hmac', uses: { resumeFor: 3600 } });

  test('pin: counts up to the maximum, and the next attempt ends the grant', async () => {
    const id = await issue();
    for (let i = 1; i <= MAX; i += 1) expect(await store.countAttempt(id, MAX)).toBe(i);
    expect((await store.find(id)).grant).toMatchObject({ pinHmac: 'hmac' });
    expect(await store.countAttempt(id, MAX)).toBe(0);
    expect((await store.find(id)).grant).toBeUndefined();
    expect(await store.countAttempt(id, MAX)).toBeUndefined();
  });

  test('pin: of many simultaneous attempts exactly the maximum is counted, and one ends the grant', async () => {
    const id = await issue();
    const all = await Promise.all(Array.from({ length: 50 }, () => store.countAttempt(id, MAX)));
    const counted = all.filter((attempt) => attempt !== undefined);
    expect(counted.sort((a, b) => a - b)).toEqual(Array.from({ length: MAX + 1 }, (_, i) => i));
    expect((await store.find(id)).grant).toBeUndefined();
  });

  test('pin: a new requester gets its attempt back, also after the first use', async () => {
    const id = await issue();
    for (let i = 0; i < MAX + 5; i += 1) {
      expect(await store.countAttempt(id, MAX)).toBe(1);
      expect(await store.redeem(id, from(), true)).toBe('new');
    }
    // One that clicks twice gets both attempts back.
    const twice = from('192.0.2.200');
    expect(await store.countAttempt(id, MAX)).toBe(1);
    expect(await store.countAttempt(id, MAX)).toBe(2);
    for (const expected of ['new', 'known'])
      expect(await store.redeem(id, twice, true)).toBe(expected);
    // HEAD gives no attempt back, and no attempt is given back without one before.
    await store.redeem(id, from(), true);
    expect(await store.countAttempt(id, MAX)).toBe(1);
    await store.redeem(id, from(), false);
    expect(await store.countAttempt(id, MAX)).toBe(2);
    expect(await store.countAttempt(id, MAX)).toBe(3);
    // A use takes back only its own attempt.
    await store.redeem(id, from(), true);
    expect(await store.countAttempt(id, MAX)).toBe(3);
    expect((await store.requesters(id)).total).toBe(MAX + 8);
  });

  test('pin: prolonging a grant neither resets the attempts nor loses the PIN', async () => {
    const id = await issue();
    await store.countAttempt(id, MAX);
    await store.prolong(id, 'web', now() + 120_000);
    expect((await store.find(id)).grant).toMatchObject({ confirm: true, pinHmac: 'hmac' });
    expect(await store.countAttempt(id, MAX)).toBe(2);
  });

  test('pin: a grant that is unknown, or has no PIN, has no attempts', async () => {
    expect(await store.countAttempt(newId(), MAX)).toBeUndefined();
    const id = await issueGrant({ confirm: true, uses: { resumeFor: 0 } });
    expect(await store.countAttempt(id, MAX)).toBeUndefined();
    expect((await store.find(id)).grant).toBeDefined();
  });
}
