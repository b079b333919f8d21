import { describe, expect, test } from 'vitest';
import { createMounts } from '../../service/domain/mount.ts';
import { parseRequestUri } from '../../service/domain/request-uri.ts';
import { tokenSegment } from '../../service/domain/token.ts';
import { linesOf, unescaped } from '../fixtures/read.ts';
import { mount } from '../support/postern.ts';

const TOKEN = `ps_${'t'.repeat(32)}`;
const mounts = createMounts([
  mount('/download/', '/protected/'),
  mount('/download/video/', '/videos/', { passArguments: ['start', 'end'] }),
]);
const parse = (uri: string) => parseRequestUri(uri.replaceAll('TOKEN', TOKEN), 'x', mounts);
const read = (uri: string) => {
  const requested = parse(uri);
  return requested === 'folder' ? undefined : requested;
};

test('the token stands in the query, or right after the prefix', () => {
  const expected = { path: '/download/a/b.pdf', token: TOKEN, args: '' };
  expect(read('/download/a/b.pdf?token=TOKEN')).toMatchObject(expected);
  expect(read('/download/a/b.pdf?x=1&token=TOKEN&y')).toMatchObject(expected);
  expect(read('/download/~TOKEN/a/b.pdf')).toMatchObject(expected);
  expect(read('/download/%7ETOKEN/a/b.pdf')).toMatchObject(expected);
});

test.each(linesOf('hostile-uris.txt'))('%s is malformed', (line) => {
  expect(read(unescaped(line))).toBeUndefined();
});

test.each([
  ['with the same token elsewhere in the path', `/download/~%70${TOKEN.slice(1)}/${TOKEN}/x`],
  ['with the same token in a second segment', `/download/~ps%5F${TOKEN.slice(3)}/~${TOKEN}/x`],
  ['after an encoded "~"', `/download/%7E%70${TOKEN.slice(1)}/~${TOKEN}/x`],
])('a percent-encoded token in the segment is malformed: %s', (_, uri) => {
  expect(read(uri)).toBeUndefined();
});

test('the token segment, and nothing else, is removed from the raw path', () => {
  const rawOf = (uri: string) => read(uri)?.tokenlessPath;
  expect(rawOf(`/download/~${TOKEN}/a%20b`)).toBe('/download/a%20b');
  expect(rawOf(`/d%6Fwnload/%7e${TOKEN}/~${TOKEN}/a`)).toBe(`/d%6Fwnload/~${TOKEN}/a`);
  expect(rawOf('/download/a%20b')).toBe('/download/a%20b');
});

test.each([
  ['/download/', 'folder'],
  ['/download/a/?token=TOKEN', 'folder'],
  ['/download/~TOKEN/a/', 'folder'],
  ['/download/~TOKEN', 'folder'],
  ['/download/a//', undefined],
  ['/download/a/../', undefined],
  ['/download/a/%5c/', undefined],
  ['/elsewhere/a/', undefined],
])('%s is %s, with a token or without', (uri, expected) => {
  expect(parse(uri)).toBe(expected);
});

test('a token elsewhere in the path is a name', () => {
  const path = `/download/a/~${TOKEN}/b`;
  expect(read(path)).toMatchObject({ path, token: undefined });
  expect(read(`/~${TOKEN}/download/a`)).toMatchObject({ mount: undefined, token: undefined });
  expect(read(`/download/${TOKEN}/a`)).toMatchObject({ token: undefined });
});

test.each([
  ['another application’s', '/download/a?token=eyJhbGciOi'],
  ['an empty one', '/download/a?token='],
  ['one without a value', '/download/a?token'],
  ['one too short', `/download/a?token=${TOKEN.slice(0, -1)}`],
  ['one too long', '/download/a?token=TOKENt'],
  ['an encoded one', '/download/a?token=%70s_tttttttttttttttttttttttttttttttt'],
  ['one under another name', '/download/a?Token=TOKEN&tokens=TOKEN&to%6ben=TOKEN'],
])('%s is no token', (_, uri) => {
  expect(read(uri)).toMatchObject({ path: '/download/a', token: undefined, args: '' });
});

test('what is passed on has a greatest length, since nginx has a buffer for it', () => {
  const padded = (length: number) => `/download/video/a?start=${'+'.repeat(length)}`;
  expect(read(padded(600))?.args).toHaveLength('start='.length + 3 * 600);
  expect(read(padded(700))).toBeUndefined();
});

test('another shape in the query leaves the token in the path alone', () => {
  expect(read('/download/~TOKEN/a?token=other')).toMatchObject({ token: TOKEN });
});

test('a token before a nested mount would pass by the location of that mount', () => {
  expect(read('/download/~TOKEN/video/a')).toBeUndefined();
  expect(read('/download/video/~TOKEN/a')?.mount?.internal).toBe('/videos/');
});

test('a path under no mount is read all the same', () => {
  expect(read('/other/a?token=TOKEN')).toMatchObject({ mount: undefined, path: '/other/a' });
});

test('the limit of 2048 bytes leaves the token aside', () => {
  const name = 'a'.repeat(2048 - '/download/'.length);
  expect(read(`/download/~TOKEN/${name}`)).toMatchObject({ token: TOKEN });
  expect(read(`/download/~TOKEN/${name}a`)).toBeUndefined();
  expect(read(`/download/${name.replaceAll('a', '%61')}?token=TOKEN`)).toMatchObject({
    path: `/download/${name}`,
  });
});

describe('the arguments that are passed on', () => {
  test('are those of the mount, in the order of the request, and no other', () => {
    expect(read('/download/video/a?end=9&x=1&token=TOKEN&start=3')?.args).toBe('end=9&start=3');
    expect(read('/download/a?start=3')?.args).toBe('');
  });

  test('are encoded anew', () => {
    expect(read('/download/video/a?start=1+2%263%0d%0a%C3%A9')?.args).toBe(
      'start=1%202%263%0D%0A%C3%A9',
    );
    expect(read('/download/video/a?start')?.args).toBe('start=');
    expect(read('/download/video/a?start=?x=/')?.args).toBe('start=%3Fx%3D%2F');
  });

  test('make the request malformed where they cannot be decoded', () => {
    expect(read('/download/video/a?start=%zz')).toBeUndefined();
    expect(read('/download/video/a?start=%ff')).toBeUndefined();
  });
});

test('the token segment of a path, if it has one', () => {
  expect(tokenSegment(`/download/~${TOKEN}/a`, '/download/')).toBe(TOKEN);
  expect(tokenSegment(`/download/~${TOKEN}`, '/download/')).toBe(TOKEN);
  expect(tokenSegment(`/download/~${TOKEN}x/a`, '/download/')).toBeUndefined();
  expect(tokenSegment(`/download/${TOKEN}/a`, '/download/')).toBeUndefined();
  expect(tokenSegment('/download/~someone/a', '/download/')).toBeUndefined();
});
