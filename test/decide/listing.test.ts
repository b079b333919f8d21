import { describe, expect, test } from 'vitest';
import { createDecider, issued, refusal } from '../support/decider.ts';
import { mount } from '../support/postern.ts';

const allowed = (target: string, listing?: string) => ({
  allow: true,
  target,
  ...(listing !== undefined && { listing }),
});
const denied = (code: string) => ({ allow: false, code });

describe('listing', () => {
  test('listing: the link of a folder and of its folders leads to a list', async () => {
    const { authorize, url } = await issued({ prefix: '/download/a/hls/', listing: true });
    expect(await authorize(url)).toMatchObject(allowed('/protected/a/hls/', 'hls'));
    const inner = allowed('/protected/a/hls/x/y/', 'hls/x/y');
    expect(await authorize(`${url}x/y/`)).toMatchObject(inner);
    const file = await authorize(`${url}x/y`);
    expect(file).toMatchObject(allowed('/protected/a/hls/x/y'));
    expect(file).not.toHaveProperty('listing');
    expect(await authorize(url, { method: 'HEAD' })).toMatchObject({ allow: true });
    expect(await authorize(url, { method: 'POST' })).toMatchObject(denied('path_is_folder'));
  });

  test('listing: a whole mount, and a target', async () => {
    const { issue, authorize } = createDecider();
    const all = await issue({ prefix: '/download/', listing: true });
    expect(await authorize(all.url)).toMatchObject(allowed('/protected/', 'download'));
    const other = await issue({ prefix: '/download/x/', target: '/protected/v7/', listing: true });
    expect(await authorize(`${other.url}y/`)).toMatchObject(allowed('/protected/v7/y/', 'x/y'));
  });

  test.each([
    ['without listing', { prefix: '/download/hls/' }],
    ['with listing: false', { prefix: '/download/hls/', listing: false, index: false }],
    ['for a file', { path: '/download/hls' }],
    ['for another folder', { prefix: '/download/other/', listing: true }],
    ['for a folder in it', { prefix: '/download/hls/sub/', listing: true }],
    ['for another address', { prefix: '/download/hls/', listing: true, ip: ['198.51.100.7'] }],
  ])('listing: a token %s opens no folder', async (_, request) => {
    const { authorize, token } = await issued(request);
    for (const folder of ['/download/hls/', '/download/', '/download/hls/../hls/']) {
      const decision = await authorize(folder, { authorization: `Bearer ${token}` });
      const code = folder.includes('..') ? 'invalid_request' : 'path_is_folder';
      expect(decision).toMatchObject(denied(code));
    }
  });

  test('listing: a folder without a token or with an unknown one is denied like a file', async () => {
    const folder = { prefix: '/download/hls/', listing: true };
    const { authorize, store, url, token, id } = await issued(folder);
    expect(await authorize('/download/hls/')).toMatchObject({
      ...denied('missing_token'),
      returnUrl: '%2Fdownload%2Fhls%2F',
    });
    const unknown = url.replace(token, `ps_${'x'.repeat(32)}`);
    expect(await authorize(unknown)).toMatchObject(denied('invalid_token'));
    await store.revoke(id, 'test');
    expect(await authorize(url)).toMatchObject(denied('invalid_token'));
  });

  test('listing: a list takes a use like a file', async () => {
    const once = { prefix: '/download/hls/', listing: true, max_uses: 1 };
    const { authorize, url } = await issued(once);
    const first = await authorize(url, { address: '192.0.2.1' });
    expect(first).toMatchObject({ allow: true, redeemed: 'new' });
    const file = await authorize(`${url}a`, { address: '192.0.2.1' });
    expect(file).toMatchObject({ allow: true, redeemed: 'known' });
    const other = await authorize(url, { address: '192.0.2.2' });
    expect(other).toMatchObject(denied('invalid_token'));
  });

  test.each([
    ...['.git/config', '.git/', '.htpasswd', 'a/.b/c', 'a/.b/', '%2ehtpasswd', 'a/%2eb/c', '..b'],
    '...',
  ])('listing: the hidden name %s is not covered', async (name) => {
    const { issue, authorize, url } = await issued({ prefix: '/download/hls/', listing: true });
    const code = name.endsWith('/') ? 'path_is_folder' : 'insufficient_scope';
    expect(await authorize(url + name)).toMatchObject(denied(code));
    // A token that shows no list gets the same as before.
    const plain = await issue({ prefix: '/download/hls/' });
    if (!name.endsWith('/')) {
      expect(await authorize(plain.url + name)).toMatchObject({ allow: true });
    }
  });

  test('listing: a covered folder that is hidden itself is listed', async () => {
    const { authorize, url } = await issued({ prefix: '/download/.a/', listing: true });
    expect(await authorize(url)).toMatchObject(allowed('/protected/.a/', '.a'));
    expect(await authorize(`${url}.b`)).toMatchObject(denied('insufficient_scope'));
  });

  // The links of the list would have no token.
  test('listing: a token without a slash after it opens no list', async () => {
    const { authorize, token } = await issued({ prefix: '/download/', listing: true });
    expect(await authorize(`/download/~${token}`)).toMatchObject(denied('path_is_folder'));
    expect(await authorize(`/download/~${token}/`)).toMatchObject({ allow: true });
  });

  test('listing: a mount with a path argument has no list, also for a stored grant', async () => {
    const mounts = [mount('/logs/', '/protected/', { pathArgument: 'file' })];
    const { issue, authorize, store } = createDecider({ mounts });
    for (const field of ['listing', 'index']) {
      const refused = await refusal(issue({ prefix: '/logs/a/', [field]: true }));
      expect(refused).toEqual({ code: 'invalid_request', pointers: [`/${field}`] });
    }
    const { url, id } = await issue({ prefix: '/logs/a/' });
    const find = store.find;
    store.find = async (one) => {
      const found = await find(one);
      return found.grant && one === id ? { grant: { ...found.grant, listing: true } } : found;
    };
    expect(await authorize(`${url}x.log`)).toMatchObject({ allow: true });
    expect(await authorize(url)).toMatchObject(denied('path_is_folder'));
    expect(await authorize(`${url}sub/`)).toMatchObject(denied('path_is_folder'));
  });
});

test.each([
  ['', 'index.html'],
  ['sub/', 'sub/index.html'],
  ['a.css', 'a.css'],
])('index: the link of a folder with %j leads to %s', async (path, target) => {
  const { authorize, url } = await issued({ prefix: '/download/docs/', index: true });
  const decision = await authorize(url + path);
  expect(decision).toMatchObject(allowed(`/protected/docs/${target}`));
  expect(decision).not.toHaveProperty('listing');
});
