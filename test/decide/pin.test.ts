import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Deadline } from '../../service/decide/deadline.ts';
import { isUsed } from '../../service/decide/decision.ts';
import type { Grant } from '../../service/token/grant.ts';
import { type Store, Unacknowledged, Unavailable } from '../../service/token/store.ts';
import { MAX_PIN_ATTEMPTS, pinHmac } from '../../service/token/uses.ts';
import { createDecider, issued, JWT, post, resumeOf } from '../support/decider.ts';

const path = '/download/a b.pdf';

describe('pin', () => {
  const pinned = { path, confirm: true, pin: 'Zu12', bind: 'any' } as const;

  test.each([
    [undefined, false],
    ['cookie', false],
    ['any', true],
  ] as const)('bind %s: the address of a correct PIN opens the link: %s', async (bind, opens) => {
    const { authorize, url } = await issued({ ...pinned, bind });
    const decision = await authorize(url, post({ pin: 'Zu12' }));
    expect(decision).toMatchObject({ code: 'confirmed' });
    expect((await authorize(url)).allow).toBe(opens);
    expect((await authorize(url, { resume: resumeOf(decision) })).allow).toBe(true);
  });

  test('is kept only as an HMAC, whose key is the text of the token', async () => {
    const { issue, store } = createDecider();
    const both = [await issue(pinned), await issue(pinned)];
    const kept = await Promise.all(
      both.map(async ({ id }) => (await store.find(id)).grant?.pinHmac),
    );
    const hmacs = both.map(({ token }) =>
      createHmac('sha256', token).update('Zu12').digest('base64url'),
    );
    expect(kept).toEqual(hmacs);
    expect(kept[0]).not.toBe(kept[1]);
  });

  test('a record with the hash of another version is denied, without an attempt', async () => {
    const { authorize, store, url, id } = await issued(pinned);
    const grant = { ...((await store.find(id)).grant as Grant), pinHmac: 'c2FsdA.aGFzaA' };
    await store.issue([[id, grant]]);
    const decision = await authorize(url, post({ pin: 'Zu12' }));
    expect(decision).toMatchObject({ code: 'invalid_token' });
    expect(await store.countAttempt(id, MAX_PIN_ATTEMPTS)).toBe(1);
  });

  test('a JWT in another encoding of the same signature never has a right PIN', async () => {
    const { issue, store } = createDecider();
    const { token, id } = await issue(pinned);
    // The last character of 43 has two bits that no byte has: each of four characters is the same signature.
    const [last, other] = ['A', 'B'].map((end) => `${JWT.slice(0, -1)}${end}`) as [string, string];
    const grant = (await store.find(id)).grant as Grant;
    await store.issue([[id, { ...grant, pinHmac: pinHmac(last, 'Zu12') }]]);
    const verify = async () => ({ id, recorded: 'required' }) as const;
    const { authorize } = createDecider({ store, verify });
    for (const [jwt, code] of [
      [other, 'pin_wrong'],
      [last, 'confirmed'],
    ]) {
      const decision = await authorize(`/download/a%20b.pdf?token=${jwt}`, post({ pin: 'Zu12' }));
      expect(decision).toMatchObject({ code });
    }
    expect(token).not.toBe(last);
  });

  test.each([
    ['Zu12', 'confirmed'],
    [' Zu 12 ', 'confirmed'],
    ['Ｚｕ１２', 'confirmed'],
    ['zu12', 'pin_wrong'],
    ['Zu123', 'pin_wrong'],
    ['x'.repeat(900), 'pin_wrong'],
    ['', 'pin_required'],
    [undefined, 'pin_required'],
  ])('%j gets %s', async (pin, code) => {
    const { authorize, url } = await issued(pinned);
    expect(await authorize(url)).toMatchObject({ code: 'pin_required', page: { file: 'a b.pdf' } });
    expect(await authorize(url, post({ pin }))).toMatchObject({ code });
    expect((await authorize(url)).allow).toBe(code === 'confirmed');
  });

  test('a missing PIN and a POST of another site are no attempt', async () => {
    const { authorize, url } = await issued(pinned);
    for (let i = 0; i < MAX_PIN_ATTEMPTS + 1; i += 1) {
      await authorize(url, post());
      await authorize(url, post({ pin: 'guess', origin: 'null' }));
    }
    expect(await authorize(url, post({ pin: 'Zu12' }))).toMatchObject({ code: 'confirmed' });
  });

  test('the last wrong attempt revokes the token, also for those that have confirmed', async () => {
    const { authorize, store, url, id } = await issued({ ...pinned, max_uses: 5 });
    await authorize(url, post({ pin: 'Zu12' }));
    const attacker = { address: '198.51.100.1' };
    for (let i = 2; i < MAX_PIN_ATTEMPTS; i += 1) await store.countAttempt(id, MAX_PIN_ATTEMPTS);
    const guess = { ...attacker, ...post({ pin: 'guess' }) };
    expect(await authorize(url, guess)).toMatchObject({ code: 'pin_wrong', page: { left: 1 } });
    expect(await authorize(url)).toMatchObject({ allow: true });
    expect(await authorize(url, guess)).toMatchObject({ code: 'invalid_token' });
    expect((await store.find(id)).grant).toBeUndefined();
    expect(await authorize(url)).toMatchObject({ code: 'invalid_token' });
  });

  test('a token that another cookie hides is reported when the last attempt revokes it', async () => {
    const { issue, authorize, store } = createDecider();
    const others = [await issue({ path: '/download/b' }), await issue({ path, confirm: true })];
    const { token, id } = await issue(pinned);
    await store.revoke(others[1]?.id ?? '', 'test');
    for (let i = 1; i < MAX_PIN_ATTEMPTS; i += 1) await store.countAttempt(id, MAX_PIN_ATTEMPTS);
    const cookie = [...others.map((other) => other.token), token].join(' ');
    const decision = await authorize(encodeURI(path), { cookie, ...post({ pin: 'guess' }) });
    expect(decision).toMatchObject({ code: 'invalid_token', id, locked: { client: 'test' } });
  });

  test('a revocation that replicas have not acknowledged is reported, too', async () => {
    const { store, url, id } = await issued(pinned);
    for (let i = 1; i < MAX_PIN_ATTEMPTS; i += 1) await store.countAttempt(id, MAX_PIN_ATTEMPTS);
    const revoke: Store['revoke'] = async (...args) => {
      await store.revoke(...args);
      throw new Unacknowledged('0 of 1 replicas');
    };
    const { authorize } = createDecider({ store: { ...store, revoke } });
    const decision = await authorize(url, post({ pin: 'guess' }));
    expect(decision).toMatchObject({ code: 'invalid_token', id, locked: { client: 'test' } });
  });

  test('an attempt is counted before the check, so simultaneous ones have the same limit', async () => {
    const { authorize, store, url, id } = await issued(pinned);
    for (let i = 3; i < MAX_PIN_ATTEMPTS; i += 1) await store.countAttempt(id, MAX_PIN_ATTEMPTS);
    const pins = ['guess1', 'guess2', 'guess3', 'Zu12'];
    const decisions = await Promise.all(pins.map((pin) => authorize(url, post({ pin }))));
    expect(decisions.map((one) => !one.allow && one.code)).toEqual([
      ...['pin_wrong', 'pin_wrong', 'invalid_token', 'invalid_token'],
    ]);
  });

  test('simultaneous correct PINs of one requester are no attempts', async () => {
    const { authorize, store, url, id } = await issued({ ...pinned, max_uses: 1, bind: 'any' });
    const clicks = Array.from({ length: 4 }, () => post({ pin: 'Zu12' }));
    const decisions = await Promise.all(clicks.map((click) => authorize(url, click)));
    const confirmed = decisions.map((one) => isUsed(one) && one.redeemed);
    expect(confirmed).toEqual(['new', ...clicks.slice(1).map(() => 'known')]);
    expect(await store.countAttempt(id, MAX_PIN_ATTEMPTS)).toBe(1);
  });

  test('a PIN after the deadline is unavailable, and no attempt', async () => {
    const { authorize, store, url, id } = await issued(pinned);
    const late = new Unavailable('too late');
    let reads = 0;
    // The deadline passes while the store says whether a use is left.
    const deadline = {
      get late() {
        reads += 1;
        return reads > 2 ? late : undefined;
      },
    };
    const decision = await authorize(url, post({ pin: 'Zu12' }), deadline);
    expect(decision).toMatchObject({ code: 'unavailable', cause: late });
    expect(await store.countAttempt(id, MAX_PIN_ATTEMPTS)).toBe(1);
  });

  test('a correct PIN whose check ends too late takes no use', async () => {
    const { store, url, id } = await issued(pinned);
    const deadline: { late?: Unavailable } = {};
    const countAttempt = (...attempt: Parameters<Store['countAttempt']>) => {
      deadline.late = new Unavailable('too late');
      return store.countAttempt(...attempt);
    };
    const { authorize } = createDecider({ store: { ...store, countAttempt } });
    const decision = await authorize(url, post({ pin: 'Zu12' }), deadline as Deadline);
    expect(decision).toMatchObject({ code: 'unavailable', cause: deadline.late });
    expect((await store.requesters(id)).total).toBe(0);
  });
});
