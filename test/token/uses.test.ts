import { describe, expect, test, vi } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { digest } from '../../service/token/token.ts';
import { identify } from '../../service/token/uses.ts';
import { createDecider, issued, refusal } from '../support/decider.ts';

const path = '/download/a';

test('uses: a GET takes a use and gets the resume cookie', async () => {
  const { authorize, url } = await issued({ path, max_uses: 1 });
  const first = await authorize(url);
  const resumeCookie = { path, value: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/) };
  expect(first).toMatchObject({ allow: true, redeemed: 'new', reuseFor: 0, resumeCookie });
  const resume = first.allow ? first.resumeCookie?.value : undefined;
  const again = await authorize(url, { address: '192.0.2.9', resume });
  expect(again).toMatchObject({ allow: true, redeemed: 'known' });
  expect(again).not.toHaveProperty('resumeCookie');
  expect(await authorize(url, { address: '192.0.2.9' })).toMatchObject({ code: 'invalid_token' });
});

test('uses: HEAD takes no use and gets no cookie', async () => {
  const { authorize, url } = await issued({ path, max_uses: 1 });
  for (let i = 0; i < 3; i += 1) {
    const head = await authorize(url, { method: 'HEAD', address: `192.0.2.${i + 10}` });
    expect(head).toMatchObject({ allow: true, redeemed: 'new' });
    expect(head).not.toHaveProperty('resumeCookie');
  }
  expect(await authorize(url)).toMatchObject({ redeemed: 'new' });
  expect(await authorize(url, { method: 'HEAD' })).toMatchObject({ redeemed: 'known' });
  const stranger = { method: 'HEAD', address: '192.0.2.10' };
  expect(await authorize(url, stranger)).toMatchObject({ code: 'invalid_token' });
});

describe('uses: no use is taken by', () => {
  test.each([
    ['a declared prefetch', { prefetch: true }, 'prefetch'],
    ['a prefetching HEAD', { prefetch: true, method: 'HEAD' }, 'prefetch'],
    ['the script of a service worker', { serviceWorker: true }, 'prefetch'],
    ['another method', { method: 'POST' }, 'insufficient_scope'],
    ['an address that does not fit', { address: '198.51.100.1' }, 'insufficient_scope'],
    ['no address', { address: undefined }, 'insufficient_scope'],
    ['no IP address', { address: 'unix:' }, 'insufficient_scope'],
    ['another site', { site: 'other.example' }, 'insufficient_scope'],
  ] as const)('%s', async (_, more, code) => {
    const { issue, authorize, store } = createDecider();
    const counted = { path, max_uses: 1, site: 'files.example', ip: ['192.0.2.0/24'] };
    const { url, id } = await issue(counted);
    expect(await authorize(url, more)).toMatchObject({ allow: false, code });
    expect((await store.requesters(id)).total).toBe(0);
    expect(await authorize(url)).toMatchObject({ allow: true });
    // A requester without a use gets the same response as for an unknown token.
    const after = 'address' in more ? 'invalid_token' : code;
    expect(await authorize(url, more)).toMatchObject({ allow: false, code: after });
    const stranger = { address: '192.0.2.99', ...more };
    expect(await authorize(url, stranger)).toMatchObject({ code: 'invalid_token' });
  });

  test('another path', async () => {
    const { authorize, store, token, id } = await issued({ path, max_uses: 1 });
    const other = await authorize(`/download/b?token=${token}`);
    expect(other).toMatchObject({ code: 'insufficient_scope' });
    expect((await store.requesters(id)).total).toBe(0);
  });
});

test('uses: an expired token that can be resumed is invalid_token for new requesters', async () => {
  const { authorize, clock, url } = await issued({ path, max_uses: 2 });
  await authorize(url);
  clock.now += 130_000;
  expect(await authorize(url)).toMatchObject({ allow: true, redeemed: 'known' });
  for (const more of [{}, { method: 'POST' }, { prefetch: true }, { serviceWorker: true }]) {
    const stranger = { address: '198.51.100.1', ...more };
    expect(await authorize(url, stranger)).toMatchObject({ code: 'invalid_token' });
  }
});

test('uses: a prefetch is allowed for a token that does not distinguish requesters', async () => {
  const { issue, authorize } = createDecider();
  const plain = await issue({ path });
  expect(await authorize(plain.url, { prefetch: true })).toMatchObject({ allow: true });
  const resumable = await issue({ path, resume_for: 60 });
  expect(await authorize(resumable.url, { prefetch: true })).toMatchObject({ code: 'prefetch' });
});

test('uses: a counted grant costs two store operations, a plain grant one', async () => {
  const store = createMemoryStore();
  const [find, redeem] = [vi.fn(store.find), vi.fn(store.redeem)];
  const { issue, authorize } = createDecider({ store: { ...store, find, redeem } });
  const calls = () => [find.mock.calls.length, redeem.mock.calls.length];
  await authorize((await issue({ path })).url);
  expect(calls()).toEqual([1, 0]);
  const { url } = await issue({ path, max_uses: 1 });
  for (const count of [1, 2]) {
    await authorize(url);
    expect(calls()).toEqual([1 + count, count]);
  }
});

describe('uses: the resume cookie', () => {
  test('keeps earlier secrets of the same path', async () => {
    const { issue, authorize } = createDecider();
    const urls = [];
    for (let i = 0; i < 3; i += 1) urls.push((await issue({ path, max_uses: 1 })).url);
    let resume = '';
    for (const url of urls) {
      const decision = await authorize(url, { resume });
      resume = (decision.allow && decision.resumeCookie?.value) || resume;
    }
    expect(resume.split('.')).toHaveLength(3);
    for (const url of urls) {
      const elsewhere = { resume, address: '192.0.2.77' };
      expect(await authorize(url, elsewhere)).toMatchObject({ redeemed: 'known' });
    }
  });

  test('may come several times, and has a bounded number of secrets', async () => {
    const { issue, authorize, url } = await issued({ path, max_uses: 1 });
    const first = await authorize(url);
    const own = first.allow ? (first.resumeCookie?.value ?? '') : '';
    const others = Array.from({ length: 12 }, (_, i) => String(i).padStart(22, 'x'));
    for (const resume of [`${others.join('.')} ${own}`, `junk ${own}.${others[0]}`, `${own} ,`]) {
      const elsewhere = { resume, address: '192.0.2.77' };
      expect(await authorize(url, elsewhere)).toMatchObject({ redeemed: 'known' });
    }
    const next = await issue({ path, max_uses: 1 });
    const given = await authorize(next.url, { resume: others.join('.') });
    expect((given.allow ? given.resumeCookie?.value : undefined)?.split('.')).toHaveLength(8);
  });

  test.each(['', 'x', 'x'.repeat(22), `${'x'.repeat(23)}`, '.', ' . ', `"${'x'.repeat(22)}"`])(
    'of another kind, %j, denies nothing',
    async (resume) => {
      const { authorize, url } = await issued({ path, max_uses: 1 });
      expect(await authorize(url, { resume })).toMatchObject({ redeemed: 'new' });
      expect(await authorize(url, { resume })).toMatchObject({ redeemed: 'known' });
    },
  );

  test('the store does not keep its secret', async () => {
    const { authorize, store, url, id } = await issued({ path, max_uses: 1 });
    const first = await authorize(url);
    const secret = first.allow ? (first.resumeCookie?.value ?? '') : '';
    const kept = JSON.stringify([(await store.find(id)).grant, await store.requesters(id)]);
    expect(kept).not.toContain(secret);
    const cookie = (await store.requesters(id)).newest[0]?.cookie;
    const elsewhere = { address: '192.0.2.77', resume: cookie };
    expect(await authorize(url, elsewhere)).toMatchObject({ code: 'invalid_token' });
  });
});

describe('uses: issue', () => {
  async function usesOf(request: object, options = {}) {
    const { issue, store } = createDecider(options);
    return (await store.find((await issue({ path, ...request })).id)).grant?.uses;
  }
  test('the default resume_for is an hour with max_uses, else none', async () => {
    expect(await usesOf({})).toBeUndefined();
    expect(await usesOf({ resume_for: 0 })).toBeUndefined();
    expect(await usesOf({ max_uses: 1 })).toEqual({ max: 1, resumeFor: 3600 });
    expect(await usesOf({ max_uses: 2, resume_for: 0 })).toEqual({ max: 2, resumeFor: 0 });
    expect(await usesOf({ resume_for: 60 })).toEqual({ resumeFor: 60 });
    const bound = { max: 1, resumeFor: 3600, cookieOnly: true };
    expect(await usesOf({ max_uses: 1, bind: 'cookie' })).toEqual(bound);
    expect(await usesOf({ max_uses: 1, bind: 'any' })).not.toHaveProperty('cookieOnly');
  });

  test('the default resume_for is limited to the maximum of the client, a requested value is rejected', async () => {
    const client = { id: 'test', targets: [], maxExpiresIn: 3600, maxResumeFor: 60 };
    expect(await usesOf({ max_uses: 1 }, { client })).toMatchObject({ resumeFor: 60 });
    const refused = await refusal(usesOf({ max_uses: 1, resume_for: 61 }, { client }));
    expect(refused).toEqual({ code: 'invalid_request', pointers: ['/resume_for'] });
    const none = { ...client, maxResumeFor: 0 };
    expect(await usesOf({ max_uses: 1 }, { client: none })).toMatchObject({ resumeFor: 0 });
  });

  test.each([
    [{ bind: 'cookie' }, '/bind'],
    [{ cookie: true }, '/cookie'],
    [{ ip: ['192.0.2.0/24', 'x'] }, '/ip/1'],
  ] as const)('%j is refused', async (request, pointer) => {
    const refused = await refusal(usesOf(request));
    expect(refused).toEqual({ code: 'invalid_request', pointers: [pointer] });
  });
});

/** Secrets that differ by their number. */
const held = Array.from({ length: 40 }, (_, i) => String(i).padStart(22, 'x'));

test('uses: the first 32 different secrets are read, and a new one is first in the cookie', () => {
  const read = identify([held.slice(0, 5).join('.'), held.slice(3).join('.')].join(' '), undefined);
  expect(read.requester.cookies).toEqual(held.slice(0, 32).map(digest));
  const [secret, ...kept] = identify(held.join('.'), undefined).resumeCookie.split('.');
  expect(held).not.toContain(secret);
  expect(kept).toEqual(held.slice(0, 7));
});
