import { describe, expect, test } from 'vitest';
import type { Deny } from '../../service/decide/decision.ts';
import type { GrantRequest } from '../../service/token/grant-fields.ts';
import { createDecider, issued, post, resumeOf } from '../support/decider.ts';
import { fieldsOf, objectOf } from '../support/fixtures.ts';

const path = '/download/a b.pdf';
const HLS = '/download/hls/';

describe('confirm: GET and HEAD', () => {
  test('take no use, and get the name and the end for a page', async () => {
    const request = { path, confirm: true, max_uses: 1, expires_in: 60 };
    const { authorize, store, clock, url, id } = await issued(request);
    for (const method of ['GET', 'HEAD']) {
      expect(await authorize(url, { method })).toMatchObject({
        allow: false,
        code: 'confirmation_required',
        page: { file: 'a b.pdf', until: clock.now + 60_000 },
      });
    }
    expect((await store.requesters(id)).total).toBe(0);
  });

  test.each([
    ['a file', { path, size: 0, sender: 'Ada' }, '', 'a b.pdf', undefined],
    ['a filename', { path, filename: 'report.pdf' }, '', 'report.pdf', undefined],
    ['a file that is shown', { path, disposition: 'inline' }, '', 'a b.pdf', 'file'],
    ['a saved file', { path, disposition: 'attachment' }, '', 'a b.pdf', undefined],
    ['a file in a folder', { prefix: HLS, listing: true }, 'x/a.ts', 'hls', undefined],
    ['a folder', { prefix: HLS, listing: true }, '', 'hls', 'folder'],
    ['its index', { prefix: HLS, index: true, disposition: 'inline' }, '', 'hls', 'folder'],
    ['a mount', { prefix: '/download/' }, 'a.ts', 'download', undefined],
  ] as const)('name %s, and whether a browser shows it', async (_, request, rest, file, opens) => {
    const { authorize, url } = await issued({ ...request, confirm: true });
    const decision = await authorize(url + rest);
    expect(decision).toMatchObject({ code: 'confirmation_required', page: { file } });
    const { page } = decision as Deny;
    expect([page?.opens, page?.left]).toEqual([opens, undefined]);
    const { size, sender } = request as GrantRequest;
    expect([page?.size, page?.sender]).toEqual([size, sender]);
  });

  test('of a requester that has confirmed are allowed, as long as it may resume', async () => {
    const request = { path, confirm: true, max_uses: 1, expires_in: 60 };
    const { authorize, clock, url } = await issued(request);
    const confirmed = await authorize(url, post());
    expect(confirmed).toMatchObject({ code: 'confirmed', redeemed: 'new' });
    const resume = resumeOf(confirmed);
    const known = { allow: true, redeemed: 'known', reuseFor: 0 };
    clock.now += 3_500_000;
    for (const method of ['GET', 'HEAD']) {
      expect(await authorize(url, { method })).toMatchObject(known);
      const elsewhere = { method, address: '198.51.100.1', resume };
      expect(await authorize(url, elsewhere)).toMatchObject(known);
    }
    clock.now += 100_000;
    expect(await authorize(url)).toMatchObject({ code: 'invalid_token' });
  });

  test('of others are denied as for an unknown token if no use is left', async () => {
    const { authorize, url } = await issued({ path, confirm: true, max_uses: 1 });
    await authorize(url, post());
    for (const more of [{}, { method: 'HEAD' }, post(), post({ origin: 'null' })]) {
      const stranger = { address: '198.51.100.1', ...more };
      expect(await authorize(url, stranger)).toMatchObject({ code: 'invalid_token' });
    }
  });

  test('need a confirmation without max_uses too, and until the token expires', async () => {
    const request = { path, confirm: true, expires_in: 60 };
    const { authorize, clock, url } = await issued(request, { decisionTtl: 10 });
    for (const address of ['192.0.2.1', '192.0.2.2']) {
      expect(await authorize(url, { address })).toMatchObject({ code: 'confirmation_required' });
      expect(await authorize(url, { address, ...post() })).toMatchObject({ code: 'confirmed' });
      expect(await authorize(url, { address })).toMatchObject({ allow: true, reuseFor: 0 });
    }
    clock.now += 60_000;
    expect(await authorize(url)).toMatchObject({ code: 'invalid_token' });
  });
});

describe('confirm: POST', () => {
  test('of a token without confirm is denied', async () => {
    const { issue, authorize } = createDecider();
    for (const more of [{}, { max_uses: 1 }]) {
      const { url } = await issue({ path, ...more });
      expect(await authorize(url, post())).toMatchObject({ code: 'insufficient_scope' });
    }
    expect(await authorize('/download/a', post())).toMatchObject({ code: 'missing_token' });
  });

  test('never allows a file, also for a requester that has confirmed', async () => {
    const { authorize, url } = await issued({ path, confirm: true, max_uses: 1 });
    await authorize(url, post());
    const again = await authorize(url, post());
    expect(again).toMatchObject({ allow: false, code: 'confirmed' });
    expect(resumeOf(again)).toBeUndefined();
  });

  test.each(fieldsOf('origins.txt'))('is %s from %s', async (code, headers) => {
    const { authorize, store, url, id } = await issued({ path, confirm: true });
    const decision = await authorize(url, post(objectOf(headers)));
    expect(decision).toMatchObject({ code });
    expect((await store.requesters(id)).total).toBe(code === 'confirmed' ? 1 : 0);
  });

  test('sets the token cookie of a folder, and a stale cookie does not hide the page', async () => {
    const { issue, authorize } = createDecider();
    const { url, token } = await issue({
      prefix: HLS,
      confirm: true,
      cookie: true,
      bind: 'cookie',
    });
    const decision = await authorize(`${url}a.ts`, post());
    const tokenCookie = { value: token, path: HLS };
    expect(decision).toMatchObject({ code: 'confirmed', tokenCookie });
    const stale = (await issue({ path })).token;
    for (const cookie of [`${stale} ${token}`, `${token} ${stale}`]) {
      const plain = await authorize('/download/hls/a.ts', { cookie });
      expect(plain).toMatchObject({ code: 'confirmation_required', page: { file: 'hls' } });
      const resume = resumeOf(decision);
      const opened = await authorize('/download/hls/a.ts', { cookie, resume });
      expect(opened).toMatchObject({ allow: true });
    }
  });
});

test('confirm: a folder with a listing opens after a POST to the folder itself', async () => {
  const request = { prefix: '/download/hls/', listing: true, confirm: true };
  const { authorize, url } = await issued(request);
  const asking = { code: 'confirmation_required', page: { file: 'hls' } };
  expect(await authorize(url)).toMatchObject(asking);
  expect(await authorize(url, post())).toMatchObject({ code: 'confirmed' });
  expect(await authorize(url)).toMatchObject({ allow: true, redeemed: 'known' });
});

test('confirm: a POST with several cookies confirms only the first token that it can', async () => {
  const { issue, authorize, store } = createDecider();
  const issued = [];
  for (const confirm of [false, true, true]) issued.push(await issue({ path, confirm }));
  const cookie = issued.map(({ token }) => token).join(' ');
  const decision = await authorize(encodeURI(path), { cookie, ...post() });
  expect(decision).toMatchObject({ code: 'confirmed', id: issued[1]?.id });
  expect((await store.requesters(issued[2]?.id ?? '')).total).toBe(0);
});
