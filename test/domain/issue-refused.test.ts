import { expect, test } from 'vitest';
import type { GrantRequest } from '../../service/token/grant-fields.ts';
import { linesOf, unescaped } from '../fixtures/read.ts';
import { mount } from '../support/postern.ts';
import { client, createDecider, type DeciderOptions, refusal } from './decider.ts';

const limited = { ...client, paths: [{ prefix: '/download/a/' }], maxExpiresIn: 60 };
const mounts = [mount('/download/', '/protected/'), mount('/video/', '/videos/')];

/** Issues all, and fails if the store was asked. */
function refused(options: DeciderOptions, ...requests: GrantRequest[]) {
  const { store } = createDecider();
  const untouched = { ...store, issue: () => expect.unreachable('the store was asked') };
  const decider = createDecider({ mounts, ...options, store: untouched });
  return refusal(decider.issueAll(...requests));
}

test.each<[string, GrantRequest, string]>([
  ['neither path nor prefix', {}, '/0'],
  ['both', { path: '/download/a', prefix: '/download/' }, '/0'],
  ['a malformed path', { path: '/download/../a' }, '/0/path'],
  ['an empty path', { path: '' }, '/0/path'],
  ['a malformed prefix', { prefix: '/download/a' }, '/0/prefix'],
  ['no mount', { path: '/other/a' }, '/0/path'],
  ['the mount as a file', { path: '/download' }, '/0/path'],
  ['the internal prefix', { prefix: '/protected/' }, '/0/prefix'],
  ['what looks like a token', { path: `/download/~ps_${'a'.repeat(32)}` }, '/0/path'],
  ['what looks like a token', { prefix: `/download/~ps_${'a'.repeat(32)}/b/` }, '/0/prefix'],
  ['an expires_in above the maximum', { path: '/download/a/b', expires_in: 3601 }, '/0/expires_in'],
  ['a malformed target', { path: '/download/a', target: '/protected/a/' }, '/0/target'],
  ['a target under no mount', { path: '/download/a', target: '/etc/passwd' }, '/0/target'],
  ['a file for a folder', { prefix: '/download/a/', target: '/protected/a' }, '/0/target'],
])('issue: %s gets invalid_request', async (_, request, pointer) => {
  expect(await refused({}, request)).toEqual({ code: 'invalid_request', pointers: [pointer] });
});

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
  expect(await refused({ client: limited }, request)).toEqual({
    code: 'insufficient_scope',
    pointers: [pointer],
  });
});

test('issue: one error rejects the whole batch, and every error is listed', async () => {
  expect(
    await refused(
      { client: limited },
      { path: '/download/a/fine' },
      { path: '/download/b', expires_in: 61 },
      { path: '/download/a//b' },
      { path: '/download/a/b', target: '/etc/a', expires_in: 61 },
    ),
  ).toEqual({
    code: 'invalid_request',
    pointers: ['/1/expires_in', '/2/path', '/3/expires_in', '/3/target', '/1/path'],
  });
});
