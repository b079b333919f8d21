import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import type { Store } from '../../service/token/store.ts';
import { newToken } from '../../service/token/token.ts';
import { sent } from '../store/contract-delivered.ts';
import { createDecider, issued } from '../support/decider.ts';
import { linesOf, unescaped } from '../support/fixtures.ts';
import { mount } from '../support/postern.ts';

test('authorize: a target has at most 2048 bytes of UTF-8', async () => {
  const { issue, authorize } = createDecider();
  const target = `/protected/${'é'.repeat(500)}/`;
  const { url } = await issue({ prefix: '/download/a/', target });
  const room = 2048 - Buffer.byteLength(target);
  const longest = await authorize(url + 'b'.repeat(room));
  expect(longest).toMatchObject({ target: target + 'b'.repeat(room) });
  const longer = await authorize(url + 'b'.repeat(room + 1));
  expect(longer).toMatchObject({ code: 'invalid_request' });
});

test('authorize: a request without a token is denied, and the store is not used', async () => {
  const { store } = createDecider();
  const find = () => expect.unreachable('the store was asked');
  const { authorize } = createDecider({ store: { ...store, find } });
  for (const path of ['/download/a', '/other/a']) {
    const denied = { allow: false, code: 'missing_token', path };
    expect(await authorize(path)).toEqual({ ...denied, returnUrl: encodeURIComponent(path) });
  }
});

test('authorize: unknown, expired and revoked tokens get invalid_token', async () => {
  const { issue, authorize, clock, store } = createDecider();
  const own = { path: '/download/a', returnUrl: '%2Fdownload%2Fa' };
  const invalid = { allow: false, code: 'invalid_token', ...own };
  expect(await authorize(`/download/a?token=${newToken()}`)).toMatchObject(invalid);

  const { id, url } = await issue({ path: '/download/a' });
  clock.now += 119_999;
  expect(await authorize(url)).toMatchObject({ allow: true });
  clock.now += 1;
  expect(await authorize(url)).toEqual({ ...invalid, id });

  const revoked = await issue({ path: '/download/a' });
  await store.revoke(revoked.id, 'test');
  expect(await authorize(revoked.url)).toEqual({ ...invalid, id: revoked.id });
});

test.each(linesOf('hostile-uris.txt'))('authorize: the URI %s is denied', async (line) => {
  const { issue, authorize, token } = await issued({ prefix: '/download/' });
  const uri = unescaped(line).replaceAll('TOKEN', token);
  const isFolder = /\/(\?|$)|\/~TOKEN$/.test(line);
  const denied = { allow: false, code: isFolder ? 'path_is_folder' : 'invalid_request' };
  expect(await authorize(uri, { authorization: `Bearer ${token}` })).toMatchObject(denied);
  const listing = await issue({ prefix: '/download/sub/', listing: true });
  const other = { authorization: `Bearer ${listing.token}` };
  expect(await authorize(uri, other)).toMatchObject(denied);
});

test('authorize: a service worker script is denied even with a valid token', async () => {
  const { authorize, url } = await issued({ path: '/download/a.js' });
  const serviceWorker = true;
  expect(await authorize(url, { serviceWorker })).toMatchObject({ code: 'prefetch' });
  const unknown = await authorize(`/download/a.js?token=${newToken()}`, { serviceWorker });
  expect(unknown).toMatchObject({ code: 'invalid_token' });
  const other = url.replace('a.js', 'b.js');
  expect(await authorize(other, { serviceWorker })).toMatchObject({ code: 'insufficient_scope' });
});

const beyond = { allow: false, code: 'insufficient_scope' };

test('authorize: a token for /download/a opens no other file', async () => {
  const { authorize, id, token } = await issued({ path: '/download/a' });
  const others = ['/download/ab', '/download/A', '/download/a/b', '/downloads/a', '/other/a'];
  for (const path of [...others, '/download/a%61']) {
    expect(await authorize(`${path}?token=${token}`)).toMatchObject({ ...beyond, id });
  }
});

test('authorize: a token for /download/a/ opens no other folder', async () => {
  const { authorize, token } = await issued({ prefix: '/download/a/' });
  for (const path of ['a', 'ab/c', 'b', 'A/b']) {
    expect(await authorize(`/download/${path}?token=${token}`)).toMatchObject(beyond);
    expect(await authorize(`/download/~${token}/${path}`)).toMatchObject(beyond);
  }
});

test('authorize: an encoded spelling of a path is the same path', async () => {
  const { authorize, token } = await issued({ path: '/download/é' });
  for (const path of ['/download/%C3%A9', '/download/%c3%a9', '/%64ownload/\xc3\xa9']) {
    expect(await authorize(`${path}?token=${token}`)).toMatchObject({ target: '/protected/é' });
  }
});

test('authorize: each method except GET and HEAD gets insufficient_scope', async () => {
  const { authorize, url } = await issued({ path: '/download/a' });
  expect(await authorize(url, { method: 'HEAD' })).toMatchObject({ allow: true });
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND', 'get', 'GET, GET', '']) {
    expect(await authorize(url, { method }), method).toMatchObject(beyond);
  }
});

test('authorize: a token for one site is denied on another', async () => {
  const { authorize, url } = await issued({ path: '/download/a', site: 'a.example' });
  expect(await authorize(url, { site: 'A.EXAMPLE' })).toMatchObject({ allow: true });
  for (const site of ['b.example', '', 'a.example, a.example']) {
    expect(await authorize(url, { site })).toMatchObject(beyond);
  }
});

test('authorize: the mount of a site serves no other site', async () => {
  const mounts = [mount('a.example:/download/', '/a/')];
  const { authorize, url } = await issued({ path: '/download/x' }, { mounts });
  expect(await authorize(url, { site: 'a.example' })).toMatchObject({ target: '/a/x' });
  for (const site of ['b.example', '']) {
    expect(await authorize(url, { site })).toMatchObject(beyond);
  }
});

test('authorize: a token is valid only for its mount', async () => {
  const everywhere = mount('/download/', '/all/');
  const before = createDecider({ mounts: [everywhere] });
  const { token } = await before.issue({ prefix: '/download/' });
  const { authorize } = createDecider({
    mounts: [everywhere, mount('a.example:/download/', '/a/'), mount('/download/x/', '/x/')],
    store: before.store,
  });
  expect(await authorize(`/download/y?token=${token}`)).toMatchObject({ target: '/all/y' });
  expect(await authorize(`/download/x/y?token=${token}`)).toMatchObject(beyond);
  const elsewhere = await authorize(`/download/y?token=${token}`, { site: 'a.example' });
  expect(elsewhere).toMatchObject(beyond);
});

/** The checks hold for a URL that the token does not cover, and for a client that resumes. */
test.each([
  [{ path: '/download/a', max_bytes: 100 }],
  [{ path: '/download/a', max_bytes: 100, max_uses: 2 }],
])('max_bytes: %j is denied after its bytes, as an unknown token is', async (request) => {
  const { authorize, store, id, url } = await issued(request);
  expect(await authorize(url)).toMatchObject({ allow: true });
  await store.addDelivered([[id, sent([0, 99])]]);
  expect(await authorize(url)).toMatchObject({ allow: true });
  await store.addDelivered([[id, sent([0, 1])]]);
  for (const other of [url, url.replace('/download/a', '/download/b')]) {
    for (const method of ['GET', 'HEAD']) {
      expect(await authorize(other, { method })).toMatchObject({
        ...{ allow: false, code: 'invalid_token', refused: true },
        rejection: { reason: 'its max_bytes were sent' },
      });
    }
  }
});

test('max_bytes: a denied requester takes no use', async () => {
  const memory = createMemoryStore({ now: () => 1_800_000_000_000 });
  const store: Store = { ...memory, redeem: () => expect.unreachable('a use was taken') };
  const request = { path: '/download/a', max_bytes: 1, max_uses: 2 };
  const { authorize, id, url } = await issued(request, { store });
  await store.addDelivered([[id, sent([0, 1])]]);
  expect(await authorize(url)).toMatchObject({ allow: false });
});

test('max_bytes: without max_bytes no number of bytes ends a token', async () => {
  const { authorize, store, id, url } = await issued({ path: '/download/a' });
  await store.addDelivered([[id, sent([0, 100], { bytes: Number.MAX_SAFE_INTEGER })]]);
  expect(await authorize(url)).toMatchObject({ allow: true });
});
