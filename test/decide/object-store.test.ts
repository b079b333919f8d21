import { describe, expect, test } from 'vitest';
import type { SignFile } from '../../service/paths/mount.ts';
import { newToken, tokenId } from '../../service/token/token.ts';
import { client, createDecider, refusal } from '../support/decider.ts';
import { mount } from '../support/postern.ts';
import { grantAt } from '../support/store/grants.ts';

const signAs =
  (bucket: string): SignFile =>
  (name) => ({ object: encodeURIComponent(name), args: `sign=${bucket}` });

const mounts = [
  mount('/disk/', '/protected/'),
  mount('/a/', '/bucket-a/', { sign: signAs('a'), maxReuse: 30 }),
  mount('/b/', '/bucket-b/', { sign: signAs('b'), maxReuse: 30 }),
  mount('/argument/', '/bucket-c/', { sign: signAs('c'), maxReuse: 30, pathArgument: 'file' }),
];
const targets = ['/protected/', '/bucket-a/', '/bucket-b/'];

const decider = (more = {}) => createDecider({ mounts, client: { ...client, targets }, ...more });

const V2 = '/bucket-a/v2/';

describe('object store: the gate signs exactly the decided file', () => {
  test.each([
    ['a file', { path: '/a/x+y.mp4' }, '', '/bucket-a/x+y.mp4', 'x%2By.mp4', 'a'],
    ['a folder', { prefix: '/b/hls/' }, '1.ts', '/bucket-b/hls/1.ts', 'hls%2F1.ts', 'b'],
    ['a target', { path: '/a/x', target: '/bucket-a/v2/x' }, '', '/bucket-a/v2/x', 'v2%2Fx', 'a'],
    ['a folder as target', { prefix: '/a/f/', target: V2 }, 'x', `${V2}x`, 'v2%2Fx', 'a'],
    ['an argument', { path: '/argument/x' }, '', '/bucket-c/x', 'x', 'c'],
  ])('%s', async (_, request, rest, target, object, bucket) => {
    const { issue, authorize } = decider();
    const { url } = await issue(request);
    const signed = { object, args: `sign=${bucket}` };
    expect(await authorize(url + rest)).toMatchObject({ allow: true, target, signed });
  });

  test('a folder on a disk is not signed', async () => {
    const { issue, authorize } = decider();
    const decision = await authorize((await issue({ path: '/disk/x' })).url);
    expect(decision).toMatchObject({ allow: true, args: '' });
    expect(decision).not.toHaveProperty('signed');
  });

  test('a folder is opened by its index.html, and is never listed', async () => {
    const { issue, authorize, store, clock } = decider();
    const { token } = await issue({ prefix: '/a/f/', index: true });
    expect(await authorize('/a/f/', { cookie: token })).toMatchObject({
      target: '/bucket-a/f/index.html',
      signed: { object: 'f%2Findex.html' },
    });
    const refused = await refusal(issue({ prefix: '/a/f/', listing: true }));
    expect(refused).toEqual({ code: 'invalid_request', pointers: ['/listing'] });

    const stored = newToken();
    const listed = { client: 'test', mount: '/a/', covers: '/a/f/', listing: true } as const;
    await store.issue([[tokenId(stored), grantAt(clock.now, listed)]]);
    const denied = { allow: false, code: 'path_is_folder' };
    expect(await authorize('/a/f/', { cookie: stored })).toMatchObject(denied);
  });

  test('a denial is not signed, nor a token without a use left', async () => {
    let signed = 0;
    const sign: SignFile = (name) => {
      signed += 1;
      return signAs('a')(name);
    };
    const { issue, authorize } = decider({ mounts: [mount('/a/', '/bucket-a/', { sign })] });
    const { url } = await issue({ path: '/a/x', max_uses: 1 });
    expect(await authorize(url.replace('/a/x', '/a/y'))).toMatchObject({ allow: false });
    expect(await authorize('/a/x')).toMatchObject({ allow: false });
    expect(signed).toBe(0);
    expect(await authorize(url)).toMatchObject({ redeemed: 'new', signed: { object: 'x' } });
    expect(await authorize(url)).toMatchObject({ redeemed: 'known', signed: { object: 'x' } });
    expect(await authorize(url, { address: '192.0.2.2' })).toMatchObject({ allow: false });
    expect(await authorize(url, { method: 'HEAD' })).toMatchObject({ signed: { object: 'x' } });
    expect(signed).toBe(3);
  });

  test('decision cache: nginx reuses a signature for at most 30 s', async () => {
    for (const decisionTtl of [2, 30, 600]) {
      const { issue, authorize } = decider({ decisionTtl });
      const { url } = await issue({ path: '/a/x', expires_in: 3600 });
      expect(await authorize(url)).toMatchObject({ reuseFor: Math.min(decisionTtl, 30) });
    }
  });
});

describe('object store: a token cannot reach another bucket', () => {
  test.each([
    ['another bucket', { path: '/a/x', target: '/bucket-b/x' }],
    ['a folder of another bucket', { prefix: '/a/', target: '/bucket-b/' }],
    ['a disk', { path: '/a/x', target: '/protected/x' }],
    ['a bucket, from a disk', { path: '/disk/x', target: '/bucket-a/x' }],
    ['a dot segment', { path: '/a/x', target: '/bucket-a/../bucket-b/x' }],
    ['a prefix without its slash', { path: '/a/x', target: '/bucket-a' }],
    ['a query', { path: '/a/x', target: '/bucket-a/x', target_args: 'versionId=1' }],
  ])('issue: target %s is refused', async (_, request) => {
    const pointer = 'target_args' in request ? '/target_args' : '/target';
    const refused = await refusal(decider().issue(request));
    expect(refused).toEqual({ code: 'invalid_request', pointers: [pointer] });
  });

  test.each([
    ['another bucket', { mount: '/a/', target: '/bucket-b/x' }],
    ['a disk', { mount: '/a/', target: '/protected/x' }],
    ['a bucket, from a disk', { mount: '/disk/', covers: '/disk/x', target: '/bucket-a/x' }],
    ['a dot segment', { mount: '/a/', target: '/bucket-a/../bucket-b/x' }],
    ['a query', { mount: '/a/', target: '/bucket-a/x', targetArgs: 'versionId=1' }],
    ['a query without a target', { mount: '/a/', targetArgs: 'acl' }],
  ])('gate: a stored grant with %s is refused', async (_, more) => {
    const { store, clock, authorize } = decider();
    const token = newToken();
    const grant = grantAt(clock.now, { client: 'test', covers: '/a/x', ...more });
    await store.issue([[tokenId(token), grant]]);
    const denied = { allow: false, code: 'insufficient_scope' };
    expect(await authorize(`${grant.covers}?token=${token}`)).toMatchObject(denied);
  });
});
