import { describe, expect, test, vi } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { createDecider, issued } from '../support/decider.ts';

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

test.each([
  ['a declared prefetch', { prefetch: true }, 'prefetch'],
  ['a prefetching HEAD', { prefetch: true, method: 'HEAD' }, 'prefetch'],
  ['the script of a service worker', { serviceWorker: true }, 'prefetch'],
  ['another method', { method: 'POST' }, 'insufficient_scope'],
  ['an address that does not fit', { address: '198.51.100.1' }, 'insufficient_scope'],
  ['no address', { address: undefined }, 'insufficient_scope'],
  ['no IP address', { address: 'unix:' }, 'insufficient_scope'],
  ['another site', { site: 'other.example' }, 'insufficient_scope'],
] as const)('uses: no use is taken by %s', async (_, more, code) => {
  const counted = { path, max_uses: 1, site: 'files.example', ip: ['192.0.2.0/24'] };
  const { authorize, store, url, id } = await issued(counted);
  expect(await authorize(url, more)).toMatchObject({ allow: false, code });
  expect((await store.requesters(id)).total).toBe(0);
  expect(await authorize(url)).toMatchObject({ allow: true });
  // A requester without a use gets the same response as for an unknown token.
  const after = 'address' in more ? 'invalid_token' : code;
  expect(await authorize(url, more)).toMatchObject({ allow: false, code: after });
  const stranger = { address: '192.0.2.99', ...more };
  expect(await authorize(url, stranger)).toMatchObject({ code: 'invalid_token' });
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
    const { authorize, issueAll } = createDecider();
    const urls = (await issueAll(...Array(3).fill({ path, max_uses: 1 }))).map(({ url }) => url);
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
