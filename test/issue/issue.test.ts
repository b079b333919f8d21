import { expect, test } from 'vitest';
import type { GrantRequest } from '../../service/token/grant-fields.ts';
import type { RequestError } from '../../service/token/request-error.ts';
import { client, createDecider, type DeciderOptions, issued, refusal } from '../support/decider.ts';
import { linesOf, unescaped } from '../support/fixtures.ts';
import { mount } from '../support/postern.ts';

test('issue: fields that were not requested, and flags that are false, are absent', async () => {
  const { issue, store, clock } = createDecider();
  const grant = { client: 'test', mount: '/download/', covers: '/download/a/' };
  const times = { issuedAt: clock.now, expiresAt: clock.now + 120_000 };
  for (const off of [{}, { cookie: false, listing: false, index: false, confirm: false }]) {
    const { id } = await issue({ prefix: '/download/a/', ...off });
    expect((await store.find(id)).grant).toStrictEqual({ ...grant, ...times });
  }
});

test('issue: expires_in is at most the maximum of the client', async () => {
  const { issue } = createDecider({ client: { ...client, maxExpiresIn: 30 } });
  expect((await issue({ path: '/download/a' })).expiresIn).toBe(30);
});

test.each([
  [undefined, '/download/'],
  [[], 'none'],
  [[{ site: 'a.example', prefix: '/a/' }, { prefix: '/x/' }], 'a.example/a/, /x/'],
  [Array(7).fill({ prefix: '/x/' }), '/x/, /x/, /x/, /x/, /x/, …'],
])('issue: without a mount, the error names what the client may use', async (paths, named) => {
  const own = paths && { paths };
  const { issue } = createDecider({ client: { ...client, ...own } });
  const { errors } = (await issue({ path: '/other/a' }).catch((error) => error)) as RequestError;
  const detail = `must be under the prefix of a mount; this client may use: ${named}`;
  expect(errors[0]?.detail).toBe(detail);
});

test('issue: a client may issue for its folders and for paths in them, and with none for no mount', async () => {
  const paths = [{ prefix: '/download/a/' }, { prefix: '/download/b/' }];
  const { issue } = createDecider({ client: { ...client, paths } });
  await issue({ prefix: '/download/a/' });
  await issue({ path: '/download/b/c/d' });
  const none = createDecider({ client: { ...client, paths: [] } });
  const { code } = await refusal(none.issue({ path: '/download/a' }));
  expect(code).toBe('insufficient_scope');
});

test('issue: a client of one site must name the site if a mount serves all sites', async () => {
  const paths = [{ site: 'a.example', prefix: '/download/' }];
  const { issue, store, id } = await issued(
    { path: '/download/a', site: 'A.example' },
    { client: { ...client, paths } },
  );
  expect((await store.find(id)).grant?.site).toBe('a.example');
  for (const site of ['b.example', undefined]) {
    const refused = await refusal(issue({ path: '/download/a', site }));
    expect(refused.code).toBe('insufficient_scope');
  }
});

const limited = { ...client, paths: [{ prefix: '/download/a/' }], maxExpiresIn: 60 };
const mounts = [mount('/download/', '/protected/'), mount('/video/', '/videos/')];

/** Issues all, and fails if the store was asked. */
function refused(options: DeciderOptions, ...requests: GrantRequest[]) {
  const { store } = createDecider();
  const untouched = { ...store, issue: () => expect.unreachable('the store was asked') };
  const decider = createDecider({ mounts, ...options, store: untouched });
  return refusal(decider.issueAll(...requests));
}

test.each(linesOf('hostile-paths.txt'))('issue: no token for the path %s', async (line) => {
  const { code } = await refused({ mounts: [mount('/', '/all/')] }, { path: unescaped(line) });
  expect(code).toBe('invalid_request');
});

test.each<[string, GrantRequest, string]>([
  ['a path', { path: '/download/b' }, '/0/path'],
  ['its own folder as a file', { path: '/download/a' }, '/0/path'],
  ['a prefix above its own', { prefix: '/download/' }, '/0/prefix'],
  ['another mount', { path: '/video/a' }, '/0/path'],
  ['a target', { path: '/download/a/b', target: '/protected/b' }, '/0/target'],
])('issue: %s gets insufficient_scope', async (_, request, pointer) => {
  const expected = { code: 'insufficient_scope', pointers: [pointer] };
  expect(await refused({ client: limited }, request)).toEqual(expected);
});

test('batch: one error rejects all, and up to 20 errors are listed', async () => {
  const { code, pointers } = await refused(
    { client: limited },
    { path: '/download/a/fine' },
    { path: '/download/b', expires_in: 61 },
    { path: '/download/a//b' },
    { path: '/download/a/b', target: '/etc/a', expires_in: 61 },
  );
  const late = ['/1/expires_in', '/2/path', '/3/expires_in', '/3/target', '/1/path'];
  expect([code, pointers]).toEqual(['invalid_request', late]);
});

const ofA = mount('a.example:/download/', '/a/');
const ofB = mount('b.example:/download/', '/b/');
const ofAll = mount('/download/', '/all/');

const nested = mount('a.example:/download/x/', '/nested/');

test.each([
  ['is optional if one site has the prefix', [ofA], undefined, [ofA, undefined]],
  ['is not needed if a mount serves all sites', [ofA, ofAll], undefined, [ofAll, undefined]],
  ['selects the mount of the site', [ofA, ofAll], 'A.Example', [ofA, undefined]],
  ['selects one of two mounts', [ofA, ofB], 'b.example', [ofB, undefined]],
  ['limits the grant to the site', [ofA, ofAll], 'B.Example', [ofAll, 'b.example']],
  ['does not count the prefix of another one', [nested, ofAll], 'b.example', [ofAll, 'b.example']],
  ['is optional for a longer prefix', [nested, ofAll], undefined, [nested, undefined]],
] as const)('issue: site %s', async (_, mounts, site, [{ id: mount }, limit]) => {
  const { store, id } = await issued({ path: '/download/x/y', site }, { mounts: [...mounts] });
  const grant = (await store.find(id)).grant;
  expect([grant?.mount, grant?.site]).toEqual([mount, limit]);
});

test.each([
  ['several sites have the prefix, and none is named', [ofA, ofB], undefined, '/site'],
  ['the site that is named has no mount', [ofA], 'b.example', '/path'],
] as const)('issue: it is an error if %s', async (_, mounts, site, pointer) => {
  const { issue } = createDecider({ mounts: [...mounts] });
  const refused = await refusal(issue({ path: '/download/x', site }));
  expect(refused).toEqual({ code: 'invalid_request', pointers: [pointer] });
});

test('issue: a client of one site may omit site for the mount of the site', async () => {
  const of = (site: string) => ({ ...client, paths: [{ site, prefix: '/download/' }] });
  const path = '/download/x';
  const own = createDecider({ mounts: [ofA], client: of('a.example') });
  expect(await own.issue({ path })).toMatchObject({ expiresIn: 120 });
  const other = createDecider({ mounts: [ofA], client: of('b.example') });
  expect(await refusal(other.issue({ path }))).toMatchObject({ code: 'insufficient_scope' });
});

/** The uses of an issued grant. */
async function usesOf(request: object, options = {}) {
  const { issue, store } = createDecider(options);
  return (await store.find((await issue({ path: '/download/a', ...request })).id)).grant?.uses;
}

test('uses: the default resume_for is an hour with max_uses, else none', async () => {
  expect(await usesOf({})).toBeUndefined();
  expect(await usesOf({ resume_for: 0 })).toBeUndefined();
  expect(await usesOf({ max_uses: 1 })).toEqual({ max: 1, resumeFor: 3600 });
  expect(await usesOf({ max_uses: 2, resume_for: 0 })).toEqual({ max: 2, resumeFor: 0 });
  expect(await usesOf({ resume_for: 60 })).toEqual({ resumeFor: 60 });
  const bound = { max: 1, resumeFor: 3600, cookieOnly: true };
  expect(await usesOf({ max_uses: 1, bind: 'cookie' })).toEqual(bound);
  expect(await usesOf({ max_uses: 1, bind: 'any' })).not.toHaveProperty('cookieOnly');
});

test('uses: the default resume_for is limited to the maximum of the client, a requested value is rejected', async () => {
  const client = { id: 'test', targets: [], maxExpiresIn: 3600, maxResumeFor: 60 };
  expect(await usesOf({ max_uses: 1 }, { client })).toMatchObject({ resumeFor: 60 });
  const refused = await refusal(usesOf({ max_uses: 1, resume_for: 61 }, { client }));
  expect(refused).toEqual({ code: 'invalid_request', pointers: ['/resume_for'] });
  const none = { ...client, maxResumeFor: 0 };
  expect(await usesOf({ max_uses: 1 }, { client: none })).toMatchObject({ resumeFor: 0 });
});
