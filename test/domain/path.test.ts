import { expect, test } from 'vitest';
import { pathError, prefixError } from '../../service/site/path.ts';
import { linesOf, unescaped } from '../fixtures/read.ts';

test.each([
  ['a/b', 'must start with a slash'],
  ['', 'must start with a slash'],
  ['/a\0', 'must not contain a control character'],
  ['/a\u0085', 'must not contain a control character'],
  ['/a\\b', 'must not contain a backslash'],
  ['/a ', 'must not end in a space'],
  ['/a//b', 'must not have an empty segment'],
  ['/a/', 'must not have an empty segment'],
  ['/', 'must not have an empty segment'],
  ['/a/./b', 'must not have a dot segment'],
  ['/a/..', 'must not have a dot segment'],
  ['/\ud800', 'must be valid Unicode'],
  [`/${'a'.repeat(2048)}`, 'must not exceed 2048 bytes'],
])('%j %s', (path, phrase) => {
  expect(pathError(path)).toBe(phrase);
});

test.each(linesOf('hostile-paths.txt'))('path: %s is rejected', (line) => {
  expect(pathError(unescaped(line))).toMatch(/^must /);
});

test.each([
  '/a',
  '/a b/ c',
  '/a /b',
  '/.hidden',
  '/...',
  '/a..b',
  '/..a',
  '/100%',
  '/%2e%2e/a',
  '/a?b#c&d=e+f',
  '/"quoted" <tag> {x} |y| ^z^ `w`',
  "/it's",
  '/Q3 résumé.pdf',
  '/\u{1f600}.gif',
  '/\ufeffbom',
  '/a\u00a0',
  '/a\u3000',
  '/~someone',
])('path: %j is accepted', (path) => {
  expect(pathError(path)).toBeUndefined();
});

test('path: the limit is 2048 bytes of UTF-8', () => {
  expect(pathError(`/${'a'.repeat(2047)}`)).toBeUndefined();
  expect(pathError(`/a${'é'.repeat(1023)}`)).toBeUndefined();
  expect(pathError(`/${'é'.repeat(1024)}`)).toBe('must not exceed 2048 bytes');
});

test('path: a prefix is a legal path with one slash at the end', () => {
  expect(prefixError('/')).toBeUndefined();
  expect(prefixError('/a/b/')).toBeUndefined();
  expect(prefixError('/a')).toBe('must end with a slash');
  expect(prefixError('')).toBe('must end with a slash');
  expect(prefixError('a/')).toBe('must start with a slash');
  expect(prefixError('/a//')).toBe('must not have an empty segment');
  expect(prefixError('//')).toBe('must not have an empty segment');
  expect(prefixError('/a/../')).toBe('must not have a dot segment');
  expect(prefixError('/a /')).toBe('must not end in a space');
});
