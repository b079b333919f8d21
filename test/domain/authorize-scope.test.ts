import { expect, test } from 'vitest';
import { mount } from '../support/postern.ts';
import { createDecider } from './decider.ts';

const beyond = { allow: false, code: 'insufficient_scope' };

test.each([
  '/download/ab',
  '/download/A',
  '/download/a/b',
  '/download/a%61',
  '/downloads/a',
  '/other/a',
])('authorize: a token for /download/a does not open %s', async (path) => {
  const { issue, authorize } = createDecider();
  const { id, token } = await issue({ path: '/download/a' });
  expect(await authorize(`${path}?token=${token}`)).toMatchObject({ ...beyond, id });
});

test.each(['/download/a', '/download/ab/c', '/download/b', '/download/A/b'])(
  'authorize: a token for /download/a/ does not open %s',
  async (path) => {
    const { issue, authorize } = createDecider();
    const { token } = await issue({ prefix: '/download/a/' });
    expect(await authorize(`${path}?token=${token}`)).toMatchObject(beyond);
    expect(await authorize(`/download/~${token}${path.slice('/download'.length)}`)).toMatchObject(
      beyond,
    );
  },
);

test('authorize: an encoded spelling of a path is the same path', async () => {
  const { issue, authorize } = createDecider();
  const { token } = await issue({ path: '/download/é' });
  for (const path of ['/download/%C3%A9', '/download/%c3%a9', '/%64ownload/\xc3\xa9']) {
    expect(await authorize(`${path}?token=${token}`)).toMatchObject({ target: '/protected/é' });
  }
});

test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'get', 'GET, GET', ''])(
  'authorize: method %j gets insufficient_scope',
  async (method) => {
    const { issue, authorize } = createDecider();
    const { url } = await issue({ path: '/download/a' });
    expect(await authorize(url, { method })).toMatchObject(beyond);
    expect(await authorize(url, { method: 'HEAD' })).toMatchObject({ allow: true });
  },
);

test('authorize: a token for one site is denied on another', async () => {
  const { issue, authorize } = createDecider();
  const { url } = await issue({ path: '/download/a', site: 'a.example' });
  expect(await authorize(url, { site: 'A.EXAMPLE' })).toMatchObject({ allow: true });
  for (const site of ['b.example', '', 'a.example, a.example']) {
    expect(await authorize(url, { site })).toMatchObject(beyond);
  }
});

test('authorize: the mount of a site serves no other site', async () => {
  const { issue, authorize } = createDecider({ mounts: [mount('a.example:/download/', '/a/')] });
  const { url } = await issue({ path: '/download/x' });
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
  expect(await authorize(`/download/y?token=${token}`, { site: 'a.example' })).toMatchObject(
    beyond,
  );
});
