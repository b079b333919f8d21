import { expect, test } from 'vitest';
import { parseRequestUri } from '../../service/decide/request-uri.ts';
import { createMounts } from '../../service/site/mount.ts';
import { mount } from '../support/postern.ts';

const TOKEN = `ps_${'t'.repeat(32)}`;
const mounts = createMounts([
  mount('/logs/', '/protected/', { pathArgument: 'file', passArguments: ['tail'] }),
]);
const read = (uri: string) => parseRequestUri(uri.replaceAll('TOKEN', TOKEN), 'x', mounts);

test.each([
  ['/logs/?file=a.log', 'a.log'],
  ['/logs/?file=a+b%20c.log', 'a b c.log'],
  ['/logs/?file=a%2Bb', 'a+b'],
  ['/logs/?file=sub/a.log', 'sub/a.log'],
  ['/logs/?file=sub%2Fa.log', 'sub/a.log'],
  ['/logs/?file=%C3%A9', 'é'],
  ['/logs/?file=\xc3\xa9', 'é'],
  ['/logs/?file=%252e', '%2e'],
  ['/logs/?file=a?b=c', 'a?b=c'],
  ['/logs/?file=~TOKEN/a', `~${TOKEN}/a`],
])('path argument: %s requests %s', (uri, name) => {
  expect(read(uri)?.path).toBe(`/logs/${name}`);
});

test('path argument: the token is in the query or directly after the prefix', () => {
  expect(read('/logs/?token=TOKEN&file=a')).toMatchObject({ path: '/logs/a', token: TOKEN });
  expect(read('/logs/~TOKEN/?file=a')).toMatchObject({ path: '/logs/a', token: TOKEN });
  expect(read('/logs/~TOKEN/?file=a&token=TOKEN')).toBeUndefined();
});

test('path argument: other arguments are passed on', () => {
  expect(read('/logs/?file=a&tail=5&x=1')?.args).toBe('tail=5');
});

test.each([
  ['none', '/logs/'],
  ['none', '/logs/?token=TOKEN'],
  ['another name', '/logs/?File=a'],
  ['an encoded name', '/logs/?fil%65=a'],
  ['two', '/logs/?file=a&file=b'],
  ['the same twice', '/logs/?file=a&file=a'],
  ['an empty one first', '/logs/?file=&file=a'],
  ['an undecodable one first', '/logs/?file=%ff&file=a'],
  ['a path besides', '/logs/b?file=a'],
  ['a path besides', '/logs/a?file=a'],
  ['a path alone', '/logs/a'],
  ['a path behind the token', '/logs/~TOKEN/b?file=a'],
  ['a slash before it', '/logs/?file=/a'],
  ['an encoded slash before it', '/logs/?file=%2Fa'],
  ['dots', '/logs/?file=../a'],
  ['encoded dots', '/logs/?file=%2e%2e%2fa'],
  ['dots and plus', '/logs/?file=..%2f..%2fa+b'],
  ['a backslash', '/logs/?file=..%5ca'],
  ['merged slashes', '/logs/?file=sub//a'],
  ['a plus at its end', '/logs/?file=a+'],
  ['NUL', '/logs/?file=a%00.log'],
  ['a line feed', '/logs/?file=a%0a'],
  ['half an encoding', '/logs/?file=a%2'],
  ['overlong UTF-8', '/logs/?file=%c0%ae%c0%ae/a'],
  ['more than 2048 bytes', `/logs/?file=${'a'.repeat(2048)}`],
])('path argument: %s is malformed: %s', (_, uri) => {
  expect(read(uri)).toBeUndefined();
});
