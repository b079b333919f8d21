import { describe, expect, test } from 'vitest';
import { stateOf } from '../../service/api/schema.ts';
import { checkTarget } from '../../service/issue/reach.ts';
import { createMounts, type Mount } from '../../service/paths/mount.ts';
import type { Client } from '../../service/token/client.ts';
import { FieldErrors } from '../../service/token/request-error.ts';
import { client, createDecider, refusal } from '../support/decider.ts';
import { fieldsOf } from '../support/fixtures.ts';
import { mount } from '../support/postern.ts';

const mounts = createMounts([
  mount('/download/', '/protected/'),
  mount('/video/', '/videos/'),
  mount('a.example:/own/', '/own-files/'),
]);
const limited: Client = { ...client, paths: [{ prefix: '/download/reports/' }] };
/** The target of a token of one mount, valid on all its sites or on one of them. */
const errorOf = (target: string, of: Client, folder = false, all = mounts, site?: string) => {
  const covers = folder ? '/download/' : '/download/x';
  const at = all.find(site, covers) as Mount;
  const place = { mount: at, covers, ...(site !== undefined && !at.site && { site }) };
  const errors = new FieldErrors();
  checkTarget(target, place, { client: of, mounts: all, errors });
  if (errors.all.length > 0) return { forbidden: errors.forbidden.length > 0 };
  return undefined;
};

test('target: a client without limits may name a path under any mount of the site', () => {
  for (const target of ['/protected/a', '/videos/a/b']) {
    expect(errorOf(target, client)).toBeUndefined();
  }
  expect(errorOf('/own-files/a', client, false, mounts, 'a.example')).toBeUndefined();
});

test('target: a mount of another site does not count', () => {
  for (const of of [client, limited, { ...client, targets: ['/own-files/'] }]) {
    const onB = errorOf('/own-files/a', of, false, mounts, 'b.example');
    expect(onB).toMatchObject({ forbidden: false });
    // Without a site, the token is valid on each.
    expect(errorOf('/own-files/a', of)).toMatchObject({ forbidden: false });
  }
});

test.each(fieldsOf('hostile-token-targets.txt'))(
  'target: %s is malformed for every client: %j',
  (_, target = '') => {
    for (const of of [client, { ...limited, targets: ['/'] }]) {
      expect(errorOf(target, of)).toMatchObject({ forbidden: false });
    }
  },
);

test('target: a prefix needs a folder as target', () => {
  expect(errorOf('/protected/a/', client, true)).toBeUndefined();
  expect(errorOf('/protected/', client, true)).toBeUndefined();
  expect(errorOf('/protected/a', client, true)).toMatchObject({ forbidden: false });
  expect(errorOf('/', client, true)).toMatchObject({ forbidden: false });
});

test('target: a limited client may name only what its paths lead to', () => {
  expect(errorOf('/protected/reports/a', limited)).toBeUndefined();
  expect(errorOf('/protected/reports/', limited, true)).toBeUndefined();
  for (const target of ['/protected/a', '/protected/reports', '/videos/reports/a']) {
    expect(errorOf(target, limited)).toMatchObject({ forbidden: true });
  }
  expect(errorOf('/protected/', limited, true)).toMatchObject({ forbidden: true });
});

test('target: a limited client may name paths below its targets', () => {
  const more = { ...limited, targets: ['/videos/trailers/'] };
  expect(errorOf('/videos/trailers/a', more)).toBeUndefined();
  expect(errorOf('/videos/trailers/', more, true)).toBeUndefined();
  for (const site of ['a.example', 'b.example']) {
    expect(errorOf('/videos/trailers/a', more, false, mounts, site)).toBeUndefined();
  }
  expect(errorOf('/videos/full/a', more)).toMatchObject({ forbidden: true });
  expect(errorOf('/videos/trailers-old/a', more)).toMatchObject({ forbidden: true });
});

describe('target: one internal prefix on two sites with different files', () => {
  const a = mount('a.example:/download/', '/protected/');
  const b = mount('b.example:/download/', '/protected/');
  const everywhere = mount('/download/', '/protected/');
  const of = (...paths: Array<[site: string | undefined, prefix: string]>): Client => ({
    ...client,
    paths: paths.map(([site, prefix]) => ({ prefix, ...(site && { site }) })),
  });
  const both = of(['a.example', '/download/pub/'], ['b.example', '/download/']);

  test.each<[string, Mount[]]>([
    ['each with its own mount', [a, b]],
    ['one mount for all sites', [everywhere]],
    ['a mount for all sites, and one of b', [everywhere, b]],
    ['a mount for all sites, and one of a', [everywhere, a]],
  ])('%s: only a right on the site of the token counts', (_, all) => {
    const on = (site: string, target: string, folder = false) =>
      errorOf(target, both, folder, createMounts(all), site);
    expect(on('a.example', '/protected/secret')).toMatchObject({ forbidden: true });
    expect(on('a.example', '/protected/', true)).toMatchObject({ forbidden: true });
    expect(on('a.example', '/protected/pub/x')).toBeUndefined();
    expect(on('b.example', '/protected/secret')).toBeUndefined();
    expect(on('b.example', '/protected/', true)).toBeUndefined();
  });

  test('a token for all sites needs the right on each', () => {
    const named = mount('b.example:/other/', '/protected/');
    const all = createMounts([everywhere, named]);
    // On a site that no mount names, and on b, a right only on b does not count.
    expect(errorOf('/protected/secret', both, false, all)).toMatchObject({ forbidden: true });
    const other = of(['b.example', '/other/']);
    expect(errorOf('/protected/secret', other, false, all)).toMatchObject({ forbidden: true });
    expect(errorOf('/protected/secret', of([undefined, '/download/']), false, all)).toBeUndefined();
  });

  test('a token for all sites needs a target whose public path no other mount has on one of them', () => {
    const nested = mount('b.example:/download/vip/', '/vip-files/');
    const all = createMounts([everywhere, nested]);
    const anywhere = of([undefined, '/download/']);
    expect(errorOf('/protected/vip/x', anywhere, false, all)).toMatchObject({ forbidden: true });
    expect(errorOf('/protected/vip/x', anywhere, false, all, 'a.example')).toBeUndefined();
  });

  test('a site that another mount has leaves the token, and needs no right', () => {
    const moved = mount('b.example:/download/', '/elsewhere/');
    const all = createMounts([everywhere, moved]);
    expect(errorOf('/protected/x', of([undefined, '/download/']), false, all)).toBeUndefined();
    expect(errorOf('/elsewhere/x', client, false, all)).toMatchObject({ forbidden: false });
  });
});

test('target: the mount of a site needs a client that may issue for the site', () => {
  const of = (site: string) => ({ ...client, paths: [{ site, prefix: '/' }] });
  const on = (site: string, target: string, scope: Client) =>
    errorOf(target, scope, false, mounts, site);
  expect(on('a.example', '/own-files/a', of('a.example'))).toBeUndefined();
  expect(on('a.example', '/own-files/a', of('b.example'))).toMatchObject({ forbidden: true });
  expect(on('a.example', '/protected/a', of('a.example'))).toBeUndefined();
  // The token has only its own site: this mount also serves every other site.
  expect(errorOf('/protected/a', of('a.example'))).toMatchObject({ forbidden: true });
});

test('target: a path in a nested mount gives no right to the outer folder', () => {
  const nested = createMounts([
    mount('/download/', '/protected/'),
    mount('/download/vip/', '/vip-files/'),
  ]);
  const vip: Client = { ...client, paths: [{ prefix: '/download/vip/' }] };
  expect(errorOf('/protected/vip/a', vip, false, nested)).toMatchObject({ forbidden: true });
  expect(errorOf('/vip-files/a', vip, false, nested)).toBeUndefined();
});

test('target: an object store under the internal prefix of a folder is not served without a signature', () => {
  const sign = (name: string) => ({ object: name, args: '' });
  const all = createMounts([
    mount('/download/', '/protected/'),
    mount('/media/', '/protected/media/', { sign }),
  ]);
  expect(errorOf('/protected/media/a', client, false, all)).toMatchObject({ forbidden: false });
});

const QUERY = 'X-Amz-Signature=ab%2F0&X-Amz-Expires=60';
const storage = { path: '/download/a', target: '/s3/bucket/key', target_args: QUERY };

function decider() {
  return createDecider({
    mounts: [
      mount('/download/', '/protected/', { passArguments: ['start'] }),
      mount('/files/', '/s3/'),
    ],
    client: { ...client, paths: [{ prefix: '/download/' }], targets: ['/s3/bucket/'] },
  });
}

test('target_args: are the query of the target, unchanged and without arguments of the request', async () => {
  const { issue, authorize } = decider();
  const plain = await issue({ path: '/download/a' });
  expect(await authorize(`${plain.url}&start=5`)).toMatchObject({ args: 'start=5' });
  const { url } = await issue(storage);
  const opened = { target: '/s3/bucket/key', args: QUERY };
  expect(await authorize(url)).toMatchObject(opened);
  expect(await authorize(`${url}&start=5`)).toMatchObject(opened);
});

describe('target_args: rejected', () => {
  test.each([
    ...['', 'a b', 'a#b', 'a\nb', 'a\r\nX: y', 'a\tb', 'a%', 'a%2', 'a%zz', 'a"b', 'a\\b', 'a<b'],
    ...['a{b', 'é', '\u0000', 'a'.repeat(4097)],
  ])('as malformed: %j', async (args) => {
    const refused = await refusal(decider().issue({ ...storage, target_args: args }));
    expect(refused).toEqual({ code: 'invalid_request', pointers: ['/target_args'] });
  });

  test('without a target, and for a prefix', async () => {
    const { issue } = decider();
    const args = { target_args: QUERY };
    for (const request of [
      { path: '/download/a', ...args },
      { prefix: '/download/', target: '/s3/bucket/', ...args },
    ]) {
      const refused = await refusal(issue(request));
      expect(refused).toEqual({ code: 'invalid_request', pointers: ['/target_args'] });
    }
  });

  test("for a target that a client's own path leads to, but that is none of its targets", async () => {
    const refused = await refusal(decider().issue({ ...storage, target: '/protected/a' }));
    expect(refused).toEqual({ code: 'insufficient_scope', pointers: ['/target_args'] });
  });

  test('for a JWT, which can be read', async () => {
    const refused = await refusal(decider().issue({ ...storage, format: 'jwt' }));
    expect(refused.pointers).toContain('/target_args');
  });
});

test('target_args: the API never shows them', async () => {
  const { issue, store } = decider();
  const { id } = await issue(storage);
  const grant = (await store.find(id)).grant;
  if (grant === undefined) return expect.unreachable();
  expect(grant.targetArgs).toBe(QUERY);
  expect(JSON.stringify(stateOf(id, grant))).not.toContain('X-Amz');
});
