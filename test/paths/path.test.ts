import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeArgument,
  decodePath,
  encodePath,
  pathError,
  prefixError,
} from '../../service/paths/path.ts';
import { legalPath } from '../support/arbitrary-paths.ts';
import { rowsOf } from '../support/rows.ts';

test.each(
  rowsOf({
    'must start with a slash': ['a/b', ''],
    'must not contain a control character': ['/a\0', '/a\u0085'],
    'must not contain a backslash': ['/a\\b'],
    'must not end in a space': ['/a '],
    'must not have an empty segment': ['/a//b', '/a/', '/'],
    'must not have a dot segment': ['/a/./b', '/a/..'],
    'must be valid Unicode': ['/\ud800'],
    'must not exceed 2048 bytes': [`/${'a'.repeat(2048)}`],
  }),
)('%j %s', (path, phrase) => {
  expect(pathError(path)).toBe(phrase);
});

test.each([
  ...['/a', '/a b/ c', '/a /b', '/.hidden', '/...', '/a..b', '/..a', '/100%', '/%2e%2e/a'],
  ...['/a?b#c&d=e+f', '/"quoted" <tag> {x} |y| ^z^ `w`', "/it's", '/Q3 résumé.pdf'],
  ...['/\u{1f600}.gif', '/\ufeffbom', '/a\u00a0', '/a\u3000', '/~someone'],
])('path: %j is accepted', (path) => {
  expect(pathError(path)).toBeUndefined();
});

test('path: the limit is 2048 bytes of UTF-8', () => {
  expect(pathError(`/${'a'.repeat(2047)}`)).toBeUndefined();
  expect(pathError(`/a${'é'.repeat(1023)}`)).toBeUndefined();
  expect(pathError(`/${'é'.repeat(1024)}`)).toBe('must not exceed 2048 bytes');
});

test.each(
  rowsOf({
    'must end with a slash': ['/a', ''],
    'must start with a slash': ['a/'],
    'must not have an empty segment': ['/a//', '//'],
    'must not have a dot segment': ['/a/../'],
    'must not end in a space': ['/a /'],
  }),
)('path: the prefix %j %s', (prefix, phrase) => {
  expect(prefixError(prefix)).toBe(phrase);
  for (const legal of ['/', '/a/b/']) expect(prefixError(legal)).toBeUndefined();
});

test.each([
  ['/a.pdf', '/a.pdf'],
  ['/a%20b', '/a b'],
  ['/r%C3%A9sum%c3%a9', '/résumé'],
  ['/r\xc3\xa9sum\xc3\xa9', '/résumé'],
  ['/%F0%9F%98%80', '/\u{1f600}'],
  ['/a+b', '/a+b'],
  ['/%2e%2e/a', '/../a'],
  ['/%252e%252e/a', '/%2e%2e/a'],
  ['/a%252Fb', '/a%2Fb'],
  ['/a%25', '/a%'],
  ['/%EF%BB%BFa', '/\ufeffa'],
  ['%EF%BB%BF/a', '\ufeff/a'],
  ['/a\\b', '/a\\b'],
  ['/a%00', '/a\0'],
])('path: %j is decoded once, to %j', (raw, decoded) => {
  expect(decodePath(raw)).toBe(decoded);
});

test.each(
  rowsOf({
    'an encoded slash': ['/a%2Fb', '/a%2fb'],
    'a raw #': ['/a#b', '/a%20#b'],
    'a percent sign without two digits': ['/a%', '/a%4', '/a%zz', '/a% 1'],
    'an overlong character': ['/%c0%ae', '/%e0%80%af', '/%c0%80'],
    'a sequence cut short': ['/%e2%82', '/%e2%82a'],
    'a stray byte': ['/%80', '/\xe9'],
    'no character of Unicode': ['/%ed%a0%80', '/%f4%90%80%80'],
  }),
)('path: %j cannot be decoded: %s', (raw) => {
  expect(decodePath(raw)).toBeUndefined();
});

test('path: a malformed path does not affect the next one', () => {
  expect(decodePath('/%e2%82')).toBeUndefined();
  expect(decodePath('%ac/a')).toBeUndefined();
  expect(decodePath('/%C3%A9')).toBe('/é');
});

test('path: an argument is decoded like a form field', () => {
  expect(decodeArgument('a+b%20c%2Bd')).toBe('a b c+d');
  expect(decodeArgument('a%2Fb')).toBe('a/b');
  expect(decodeArgument('100%')).toBeUndefined();
  expect(decodeArgument('%c0%af')).toBeUndefined();
});

test('path: encoding and decoding returns every legal path', () => {
  fc.assert(
    fc.property(legalPath, (path) => {
      const encoded = encodePath(path);
      expect(encoded).toMatch(/^[\x21\x24-\x7e]*$/);
      expect(encoded).not.toMatch(/[?#&"\\]/);
      expect(decodePath(encoded)).toBe(path);
      expect(decodeArgument(encoded)).toBe(path);
    }),
  );
});

test('path: a decoded path that is encoded again decodes to itself', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.nat(255).map((byte) => String.fromCharCode(byte)) }),
      (raw) => {
        const decoded = decodePath(raw);
        fc.pre(decoded !== undefined);
        expect(decodePath(encodePath(decoded))).toBe(decoded);
      },
    ),
  );
});
