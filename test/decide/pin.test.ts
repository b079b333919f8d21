import { describe, expect, test } from 'vitest';
import { MIN_LEFT_MS } from '../../service/decide/confirm.ts';
import type { Deadline } from '../../service/decide/deadline.ts';
import type { Issued } from '../../service/token/issue.ts';
import { MAX_PIN_ATTEMPTS } from '../../service/token/pin.ts';
import { type Store, Unavailable } from '../../service/token/store.ts';
import { createDecider, issued, post, resumeOf } from './decider.ts';

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

  test('is kept only as a salted hash', async () => {
    const { issue, store } = createDecider();
    const grants = await Promise.all(
      [await issue(pinned), await issue(pinned)].map(({ id }) => store.find(id)),
    );
    const [first, second] = grants.map((grant) => grant?.pinHash);
    expect(first).toMatch(/^[\w-]{22}\.[\w-]{43}$/);
    expect(first).not.toBe(second);
    expect(JSON.stringify(grants)).not.toContain(pinned.pin);
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
    expect(await authorize(url, guess)).toMatchObject({ code: 'pin_wrong' });
    expect(await authorize(url)).toMatchObject({ allow: true });
    expect(await authorize(url, guess)).toMatchObject({ code: 'invalid_token' });
    expect(await store.find(id)).toBeUndefined();
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
    const confirmed = decisions.map((one) => !one.allow && one.confirmed?.redeemed);
    expect(confirmed).toEqual(['new', ...clicks.slice(1).map(() => 'known')]);
    expect(await store.countAttempt(id, MAX_PIN_ATTEMPTS)).toBe(1);
  });

  test('too many checks at once are unavailable, and no attempt', async () => {
    const { issue, authorize, store } = createDecider();
    const links = await Promise.all(Array.from({ length: 6 }, () => issue(pinned)));
    const many = [...links, ...links, ...links].map(({ url }, i) => {
      return authorize(url, { ...post({ pin: 'Zu12' }), address: `192.0.2.${i}` });
    });
    const codes = (await Promise.all(many)).map((one) => (one.allow ? 'allow' : one.code));
    expect(codes.filter((code) => code === 'unavailable')).toHaveLength(2);
    expect(codes.filter((code) => code === 'confirmed')).toHaveLength(16);
    const { url, id } = links[5] as Issued;
    const later = { ...post({ pin: 'Zu12' }), address: '192.0.2.99' };
    expect(await authorize(url, later)).toMatchObject({ code: 'confirmed' });
    expect(await store.countAttempt(id, MAX_PIN_ATTEMPTS)).toBe(1);
  });

  test('four links of one network that hold all places keep out nobody, and delay others by one check', async () => {
    const { issue, authorize } = createDecider();
    const links = await Promise.all(Array.from({ length: 8 }, () => issue(pinned)));
    const order: string[] = [];
    const confirm = async (who: string, link: Issued | undefined, address: string) => {
      const decision = await authorize(link?.url ?? '', { ...post({ pin: 'Zu12' }), address });
      const code = decision.allow ? 'allow' : decision.code;
      order.push(`${who} ${code}`);
      return code;
    };
    // Addresses of one IPv6 network, each with its own cookie.
    const flood = Array.from({ length: 16 }, (_, i) =>
      confirm('flood', links[i % 4], `2001:db8::${i}`),
    );
    const others = [4, 5, 6, 7].map((i) => confirm('person', links[i], `192.0.2.${i}`));
    expect(await Promise.all(others)).toEqual(Array(4).fill('confirmed'));
    const checked = order.filter((one) => !one.endsWith('unavailable'));
    expect(checked.filter((one) => one.startsWith('flood')).length).toBeLessThanOrEqual(2);
    const codes = await Promise.all(flood);
    expect(codes.filter((code) => code === 'unavailable')).toHaveLength(4);
  });

  test('many PINs of one token, from many networks, keep out and delay no other link', async () => {
    const { issue, authorize } = createDecider();
    const [flooded, other] = [await issue(pinned), await issue(pinned)];
    let checked = 0;
    const many = Array.from({ length: 30 }, async (_, i) => {
      const attempt = { ...post({ pin: 'Zu12' }), address: `192.0.2.${i}` };
      const decision = await authorize(flooded.url, attempt);
      if (!decision.allow && decision.code === 'confirmed') checked += 1;
    });
    const person = { ...post({ pin: 'Zu12' }), address: '198.51.100.1' };
    expect(await authorize(other.url, person)).toMatchObject({ code: 'confirmed' });
    expect(checked).toBeLessThanOrEqual(1);
    await Promise.all(many);
    expect(checked).toBe(15);
  });

  test('a PIN whose check could be late is unavailable, and no attempt', async () => {
    const { authorize, store, url, id } = await issued(pinned);
    const deadline = { late: undefined, endsAt: performance.now() + MIN_LEFT_MS - 1 };
    const decision = await authorize(url, post({ pin: 'Zu12' }), deadline);
    expect(decision).toMatchObject({ code: 'unavailable' });
    expect(await store.countAttempt(id, MAX_PIN_ATTEMPTS)).toBe(1);
  });

  test('a correct PIN whose check ends too late takes no use', async () => {
    const { store, url, id } = await issued(pinned);
    const deadline: { late?: Unavailable; endsAt: number } = { endsAt: Number.POSITIVE_INFINITY };
    const countAttempt = (...attempt: Parameters<Store['countAttempt']>) => {
      deadline.late = new Unavailable('too late');
      return store.countAttempt(...attempt);
    };
    const { authorize } = createDecider({ store: { ...store, countAttempt } });
    const decision = await authorize(url, post({ pin: 'Zu12' }), deadline as Deadline);
    expect(decision).toMatchObject({ code: 'unavailable', cause: deadline.late });
    expect(await store.requesters(id)).toEqual([]);
  });
});
