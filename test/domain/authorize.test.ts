import { expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { linesOf, unescaped } from '../fixtures/read.ts';
import { createDecider } from './decider.ts';

test('authorize: a token opens its file', async () => {
  const { issue, authorize, store } = createDecider();
  const { id, url } = await issue({ path: '/download/a b.pdf' });
  expect(await authorize(url)).toEqual({
    allow: true,
    id,
    grant: await store.find(id),
    path: '/download/a b.pdf',
    target: '/protected/a b.pdf',
    args: '',
    reuseFor: 0,
  });
});

test('authorize: a target serves a file, and the files below a folder', async () => {
  const { issue, authorize } = createDecider();
  const file = await issue({ path: '/download/a', target: '/protected/x y' });
  expect(await authorize(file.url)).toMatchObject({ target: '/protected/x y' });
  const folder = await issue({ prefix: '/download/a/', target: '/protected/x/' });
  expect(await authorize(`${folder.url}b/c`)).toMatchObject({ target: '/protected/x/b/c' });
});

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
  const denied = { allow: false, code: 'missing_token' };
  expect(await authorize('/download/a')).toEqual({
    ...denied,
    path: '/download/a',
    returnUrl: '%2Fdownload%2Fa',
  });
  expect(await authorize('/other/a')).toEqual({
    ...denied,
    path: '/other/a',
    returnUrl: '%2Fother%2Fa',
  });
});

test('authorize: unknown, expired and revoked tokens get invalid_token', async () => {
  const { issue, authorize, clock, store } = createDecider();
  const invalid = {
    allow: false,
    code: 'invalid_token',
    path: '/download/a',
    returnUrl: '%2Fdownload%2Fa',
  };
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
  const { issue, authorize } = createDecider();
  const { token } = await issue({ prefix: '/download/' });
  const uri = unescaped(line).replaceAll('TOKEN', token);
  const isFolder = /\/(\?|$)|\/~TOKEN$/.test(line);
  const denied = { allow: false, code: isFolder ? 'path_is_folder' : 'invalid_request' };
  expect(await authorize(uri, { authorization: `Bearer ${token}` })).toMatchObject(denied);
  const listing = await issue({ prefix: '/download/sub/', listing: true });
  const other = { authorization: `Bearer ${listing.token}` };
  expect(await authorize(uri, other)).toMatchObject(denied);
});

test('authorize: a service worker script is denied even with a valid token', async () => {
  const { issue, authorize } = createDecider();
  const { url } = await issue({ path: '/download/a.js' });
  const serviceWorker = true;
  expect(await authorize(url, { serviceWorker })).toMatchObject({ code: 'prefetch' });
  expect(await authorize(`/download/a.js?token=${newToken()}`, { serviceWorker })).toMatchObject({
    code: 'invalid_token',
  });
  const other = url.replace('a.js', 'b.js');
  expect(await authorize(other, { serviceWorker })).toMatchObject({ code: 'insufficient_scope' });
});
