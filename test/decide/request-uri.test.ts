import { expect, test } from 'vitest';
import { isUsed } from '../../service/decide/decision.ts';
import { parseRequestUri } from '../../service/decide/request-uri.ts';
import { createMounts } from '../../service/paths/mount.ts';
import { createDecider } from '../support/decider.ts';
import { fieldsOf } from '../support/fixtures.ts';
import { mount } from '../support/postern.ts';

const TOKEN = `ps_${'t'.repeat(32)}`;
const all = [
  mount('/download/', '/protected/'),
  mount('/download/video/', '/videos/', { passArguments: ['start', 'end'] }),
  mount('/logs/', '/log-files/', { pathArgument: 'file', passArguments: ['tail'] }),
];
const mounts = createMounts(all);
const { authorize } = createDecider({ mounts: all });
const read = (uri: string) => parseRequestUri(uri.replaceAll('TOKEN', TOKEN), 'x', mounts);

test('request URI: the token is in the query or directly after the prefix', () => {
  const expected = { path: '/download/a/b.pdf', token: TOKEN, args: '' };
  expect(read('/download/a/b.pdf?token=TOKEN')).toMatchObject(expected);
  expect(read('/download/a/b.pdf?x=1&token=TOKEN&y')).toMatchObject(expected);
  expect(read('/download/~TOKEN/a/b.pdf')).toMatchObject(expected);
  expect(read('/download/%7ETOKEN/a/b.pdf')).toMatchObject(expected);
});

test('request URI: only the token segment is removed from the raw path', () => {
  const rawOf = (uri: string) => read(uri)?.tokenlessPath;
  expect(rawOf(`/download/~${TOKEN}/a%20b`)).toBe('/download/a%20b');
  expect(rawOf(`/d%6Fwnload/%7e${TOKEN}/~${TOKEN}/a`)).toBe(`/d%6Fwnload/~${TOKEN}/a`);
  expect(rawOf('/download/a%20b')).toBe('/download/a%20b');
});

test.each(
  fieldsOf('request-uris.txt').map((fields) => fields.map((one) => one.replaceAll('TOKEN', TOKEN))),
)('request URI: %s has the path %s', (uri = '', path) => {
  expect(read(uri)?.path ?? '-').toBe(path);
});

test('request URI: a path in an argument has at most 2048 bytes, and other arguments are passed on', () => {
  expect(read(`/logs/?file=${'a'.repeat(2048)}`)).toBeUndefined();
  expect(read('/logs/?token=TOKEN&file=a&tail=5&x=1')).toMatchObject({
    token: TOKEN,
    args: 'tail=5',
  });
  expect(read('/logs/~TOKEN/?file=a')).toMatchObject({ token: TOKEN });
  expect(read('/other/a?token=TOKEN')).toMatchObject({ mount: undefined });
});

test('request URI: a token elsewhere in the path is a file name', () => {
  const path = `/download/a/~${TOKEN}/b`;
  expect(read(path)).toMatchObject({ path, token: undefined });
  expect(read(`/~${TOKEN}/download/a`)).toMatchObject({ mount: undefined, token: undefined });
  for (const name of [TOKEN, `~${TOKEN}x`, '~someone']) {
    expect(read(`/download/${name}/a`)).toMatchObject({ token: undefined });
  }
});

test.each([
  ['another application’s', '/download/a?token=eyJhbGciOi'],
  ['an empty one', '/download/a?token='],
  ['one without a value', '/download/a?token'],
  ['one too short', `/download/a?token=${TOKEN.slice(0, -1)}`],
  ['one too long', '/download/a?token=TOKENt'],
  ['an encoded one', '/download/a?token=%70s_tttttttttttttttttttttttttttttttt'],
  ['one under another name', '/download/a?Token=TOKEN&tokens=TOKEN&to%6ben=TOKEN'],
])('request URI: %s is not a token', (_, uri) => {
  expect(read(uri)).toMatchObject({ path: '/download/a', token: undefined, args: '' });
});

test('request URI: the passed arguments have a maximum length', () => {
  const padded = (length: number) => `/download/video/a?start=${'+'.repeat(length)}`;
  expect(read(padded(600))?.args).toHaveLength('start='.length + 3 * 600);
  expect(read(padded(700))).toBeUndefined();
});

test('request URI: it has at most 16 KiB, and 256 arguments', () => {
  const padded = (length: number) => '/download/a?x='.padEnd(length, 'x');
  const pairs = (count: number) => `/download/a?x${'&x'.repeat(count - 1)}`;
  for (const uri of [padded(16_384), pairs(256)])
    expect(read(uri)).toMatchObject({ path: '/download/a' });
  for (const uri of [padded(16_385), pairs(257)]) expect(read(uri)).toBeUndefined();
});

test('request URI: a token segment before a nested mount is malformed', () => {
  expect(read('/download/~TOKEN/video/a')).toBeUndefined();
  expect(read('/download/video/~TOKEN/a')?.mount?.internal).toBe('/videos/');
});

test('request URI: the limit of a path, 2048 bytes, does not include the token', () => {
  const name = 'a'.repeat(2048 - '/download/'.length);
  expect(read(`/download/~TOKEN/${name}`)).toMatchObject({ token: TOKEN });
  expect(read(`/download/~TOKEN/${name}a`)).toBeUndefined();
  const encoded = read(`/download/${name.replaceAll('a', '%61')}?token=TOKEN`);
  expect(encoded).toMatchObject({ path: `/download/${name}` });
});

test.each([
  ['are only those of the mount', '/download/a?start=3', ''],
  ['keep their order', '/download/video/a?end=9&x=1&token=TOKEN&start=3', 'end=9&start=3'],
  [
    'are encoded again',
    '/download/video/a?start=1+2%263%0d%0a%C3%A9',
    'start=1%202%263%0D%0A%C3%A9',
  ],
  ['are encoded again', '/download/video/a?start', 'start='],
  ['are encoded again', '/download/video/a?start=?x=/', 'start=%3Fx%3D%2F'],
  ['make the request malformed if no text', '/download/video/a?start=%zz', undefined],
  ['make the request malformed if no text', '/download/video/a?start=%ff', undefined],
])('request URI: passed arguments %s: %s', (_, uri, args) => {
  expect(read(uri)?.args).toBe(args);
});

const returned = fieldsOf('return-urls.txt').map((fields) => {
  const [uri = '', expected = uri] = fields.map((one) =>
    one.replaceAll('TOKEN', TOKEN).replaceAll('LETTERS', TOKEN.slice(3)),
  );
  return [uri, expected === '=' ? uri : expected] as const;
});

test.each<readonly [string, string]>([
  ...returned,
  ...[
    `/download/${'%D0%BE'.repeat(160)}?q=${encodeURIComponent('отчёт')}`,
    `/download/${'%E6%8A%A5'.repeat(100)}?q=${encodeURIComponent('报告')}`,
    ...[`/download/${'a'.repeat(1014)}`, `/download/a?${'b&'.repeat(31)}b`],
  ].map((uri) => [uri, uri] as const),
  // More than 1,024 characters, and more than 32 arguments.
  [`/download/${'a'.repeat(1000)}?${'b'.repeat(15)}`, '-'],
  [`/download/a?${'b&'.repeat(32)}b`, '-'],
])('return URL: %s becomes %s', async (uri, expected) => {
  const decision = await authorize(uri);
  if (isUsed(decision)) expect.unreachable();
  const { returnUrl = '-' } = decision;
  expect(decodeURIComponent(returnUrl)).toBe(expected);
  if (expected !== '-') expect(returnUrl).toMatch(/^%2F(?!%2F|%5C)[A-Za-z0-9%.!~*'()_-]*$/);
});
