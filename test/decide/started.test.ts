import { describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { createDecider } from '../support/decider.ts';
import { mount } from '../support/postern.ts';

const DAY = 86_400;
const mounts = [
  mount('/download/', '/protected/', { downloadTime: DAY }),
  mount('/plain/', '/plain-files/'),
];
const FILE = { path: '/download/a.bin' };

/** `$msec` of nginx. */
const msec = (milliseconds: number) => (milliseconds / 1000).toFixed(3);

function setUp(decisionTtl = 0) {
  const decider = createDecider({ mounts, decisionTtl });
  const began = decider.clock.now;
  const slice = (uri: string, started = msec(began), more = {}) =>
    decider.authorize(uri, { started, ...more });
  return { ...decider, began, slice };
}

describe('slices: a later slice is judged at the time the download began', () => {
  test('a token that ended meanwhile still opens it, and no new download', async () => {
    const { issue, clock, slice, authorize, began } = setUp();
    const { url } = await issue({ ...FILE, expires_in: 120 });
    clock.now = began + 3_600_000;
    expect(await slice(url)).toMatchObject({ allow: true });
    expect(await slice(url, msec(began + 119_999))).toMatchObject({ allow: true });
    for (const started of [msec(began + 120_000), msec(clock.now), undefined]) {
      const decision = await authorize(url, { started });
      expect(decision).toMatchObject({ allow: false, code: 'invalid_token' });
    }
  });

  test('a revoked token does not open it, before and after its end', async () => {
    const { issue, clock, slice, began, store } = setUp();
    const early = await issue(FILE);
    const late = await issue(FILE);
    expect(await store.revoke(early.id, 'test')).toBe(true);
    clock.now = began + 3_600_000;
    expect(await store.revoke(late.id, 'test')).toBe(true);
    for (const { url } of [early, late]) {
      expect(await slice(url)).toMatchObject({ allow: false, code: 'invalid_token' });
    }
  });

  test('the revocation of a subject or client also ends tokens that have ended', async () => {
    for (const selection of [{ subject: 'ada' }, {}]) {
      const { issue, clock, slice, began, store } = setUp();
      const { url } = await issue({ ...FILE, subject: 'ada' });
      clock.now = began + 3_600_000;
      expect(await store.revokeAll('test', selection)).toBe(1);
      expect(await slice(url)).toMatchObject({ allow: false, code: 'invalid_token' });
    }
  });

  test('it ends after the download_time of the mount', async () => {
    const { issue, clock, slice, began } = setUp();
    const { url } = await issue(FILE);
    clock.now = began + DAY * 1000;
    expect(await slice(url)).toMatchObject({ allow: true });
    clock.now += 1;
    expect(await slice(url)).toMatchObject({ allow: false, code: 'invalid_request' });
  });

  test('a requester with a use goes on, also after its resume_for, and takes no second use', async () => {
    const { issue, clock, slice, began, store } = setUp();
    const { url, id } = await issue({ ...FILE, max_uses: 1, resume_for: 60 });
    expect(await slice(url)).toMatchObject({ redeemed: 'new' });
    clock.now = began + 3_600_000;
    expect(await slice(url)).toMatchObject({ redeemed: 'known' });
    const other = await slice(url, msec(began), { address: '192.0.2.9' });
    expect(other).toMatchObject({ allow: false, code: 'invalid_token' });
    expect(await slice(url, msec(clock.now))).toMatchObject({ allow: false });
    expect((await store.requesters(id)).total).toBe(1);
  });

  test('the address of the token still counts', async () => {
    const { issue, slice } = setUp();
    const { url } = await issue({ ...FILE, ip: ['192.0.2.1'] });
    expect(await slice(url)).toMatchObject({ allow: true });
    const other = await slice(url, undefined, { address: '192.0.2.9' });
    expect(other).toMatchObject({ code: 'insufficient_scope' });
  });

  test('nginx caches the decision only while a new download may begin', async () => {
    const { issue, clock, slice, began } = setUp(60);
    const { url } = await issue({ ...FILE, expires_in: 120 });
    expect(await slice(url)).toMatchObject({ reuseFor: 60 });
    clock.now = began + 100_000;
    expect(await slice(url)).toMatchObject({ reuseFor: 19 });
    clock.now = began + 200_000;
    expect(await slice(url)).toMatchObject({ allow: true, reuseFor: 0 });
  });
});

describe('slices: the time at which a download began is denied', () => {
  const { began } = setUp();
  test.each<readonly [string, string]>([
    ['later than now by more than the clocks may differ', msec(began + 5001)],
    ['longer ago than the mount allows', msec(began - DAY * 1000 - 1)],
    ...[
      '0',
      '-1',
      'now',
      '1e9',
      '1800000000',
      '1800000000.0000',
      ' 1800000000.000',
      '١٨٠٠٠٠٠٠٠٠.٠٠٠',
    ].map((text) => ['not a time', text] as const),
    ['two times', '1800000000.000, 1800000000.000'],
  ])('if it is %s: %s', async (_, started) => {
    const { issue, slice } = setUp();
    const { url } = await issue(FILE);
    expect(await slice(url, started)).toMatchObject({ allow: false, code: 'invalid_request' });
  });

  test('but not if the clock of nginx is a little ahead, or if nothing says when it began', async () => {
    const { issue, slice } = setUp();
    const { url } = await issue(FILE);
    for (const started of [msec(began + 5000), '']) {
      expect(await slice(url, started)).toMatchObject({ allow: true });
    }
  });
});

test('slices: a mount without download_time ignores the time, and keeps no token longer', async () => {
  const { issue, clock, slice, began, store } = setUp();
  const { url, id } = await issue({ path: '/plain/a.bin' });
  expect(await slice(url, 'now')).toMatchObject({ allow: true });
  clock.now = began + 120_000;
  expect(await slice(url)).toMatchObject({ allow: false, code: 'invalid_token' });
  expect(await store.find(id)).toEqual({});
});

test('slices: a token that is bound to a cookie needs a confirmation, which sets it before the download', async () => {
  const { issue } = setUp();
  const bound = { max_uses: 1, bind: 'cookie' } as const;
  await expect(issue({ ...FILE, ...bound })).rejects.toMatchObject({
    errors: [{ pointer: '/bind', detail: expect.stringContaining('second slice') }],
  });
  await issue({ ...FILE, ...bound, confirm: true });
  await issue({ ...FILE, confirm: true, pin: '4711' });
  await issue({ path: '/plain/a.bin', ...bound });
});

test('slices: a token that has ended is kept to be revoked, and prolonging it lets new downloads begin', async () => {
  const now = () => 1_800_000_000_000;
  const store = createMemoryStore({ now });
  const decider = createDecider({ mounts, store });
  const { url, id } = await decider.issue({ ...FILE, expires_in: 120 });
  decider.clock.now += 3_600_000;
  expect(await decider.authorize(url)).toMatchObject({ allow: false });
  await store.prolong(id, 'test', decider.clock.now + 60_000);
  expect(await decider.authorize(url)).toMatchObject({ allow: true });
});
