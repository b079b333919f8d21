import { expect, test } from 'vitest';
import { pathFault, prefixFault } from '../../service/domain/path.ts';
import { linesOf, unescaped } from '../fixtures/read.ts';

test.each([
  ['a/b', 'must start with a slash'],
  ['', 'must start with a slash'],
  ['/a\0', 'must not hold a control character'],
  ['/a\u0085', 'must not hold a control character'],
  ['/a\\b', 'must not hold a backslash'],
  ['/a ', 'must not end in a space'],
  ['/a//b', 'must not have an empty segment'],
  ['/a/', 'must not have an empty segment'],
  ['/', 'must not have an empty segment'],
  ['/a/./b', 'must not have a dot segment'],
  ['/a/..', 'must not have a dot segment'],
  ['/\ud800', 'must be valid Unicode'],
  [`/${'a'.repeat(2048)}`, 'must not exceed 2048 bytes'],
])('%j %s', (path, phrase) => {
  expect(pathFault(path)).toBe(phrase);
});

test.each(linesOf('hostile-paths.txt'))('path: %s is rejected', (line) => {
  expect(pathFault(unescaped(line))).toMatch(/^must /);
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
  expect(pathFault(path)).toBeUndefined();
});

test('path: the limit is 2048 bytes of UTF-8', () => {
  expect(pathFault(`/${'a'.repeat(2047)}`)).toBeUndefined();
  expect(pathFault(`/a${'é'.repeat(1023)}`)).toBeUndefined();
  expect(pathFault(`/${'é'.repeat(1024)}`)).toBe('must not exceed 2048 bytes');
});

test('path: a prefix is a legal path with one slash at the end', () => {
  expect(prefixFault('/')).toBeUndefined();
  expect(prefixFault('/a/b/')).toBeUndefined();
  expect(prefixFault('/a')).toBe('must end with a slash');
  expect(prefixFault('')).toBe('must end with a slash');
  expect(prefixFault('a/')).toBe('must start with a slash');
  expect(prefixFault('/a//')).toBe('must not have an empty segment');
  expect(prefixFault('//')).toBe('must not have an empty segment');
  expect(prefixFault('/a/../')).toBe('must not have a dot segment');
  expect(prefixFault('/a /')).toBe('must not end in a space');
});
