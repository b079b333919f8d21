import { expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { mount } from '../support/postern.ts';
import { createDecider } from './decider.ts';

const TOKEN = newToken();
const { authorize } = createDecider({
  mounts: [
    mount('/download/', '/protected/', { passArguments: ['start'] }),
    mount('/logs/', '/internal/', { pathArgument: 'file' }),
  ],
});

test.each([
  ['/download/a', '/download/a'],
  ['/download/a?', '/download/a'],
  [`/download/a?token=${TOKEN}`, '/download/a'],
  ['/download/a?token=stale', '/download/a'],
  [`/download/a?x=1&token=${TOKEN}&y=2&&z`, '/download/a?x=1&y=2&z'],
  [`/download/a?%74oken=${TOKEN}&x=1`, '/download/a?x=1'],
  [`/download/~${TOKEN}/a%20b/c.pdf?x`, '/download/a%20b/c.pdf?x'],
  [`/download/%7e${TOKEN}/a`, '/download/a'],
  [`/logs/?token=${TOKEN}&file=a%2Fb.log`, '/logs/?file=a%2Fb.log'],
  [`/logs/~${TOKEN}?file=a%2Fb.log`, '/logs/?file=a%2Fb.log'],
  [`/download/a?t=ps%5F${TOKEN.slice(3)}&x=1`, '/download/a?x=1'],
  [`/download/a?t=%2570s_${TOKEN.slice(3)}&x=1`, '/download/a?x=1'],
  [`/download/a?t=%252570s_${TOKEN.slice(3)}&x=1`, '/download/a?x=1'],
  [`/download/a?next=/download/~${TOKEN}/a&x=1`, '/download/a?x=1'],
  ['/download/a?x=100%25%20off&maps_of_the_world', '/download/a?x=100%25%20off&maps_of_the_world'],
  ['/download/a?next=//evil.example/&u=https://evil.example', undefined],
  ['/download/r\u00c3\u00a9sum\u00c3\u00a9', '/download/résumé'],
  ['/download/%C3%A9?x=%0d%0aSet-Cookie:a', '/download/%C3%A9?x=%0d%0aSet-Cookie:a'],
])('return URL: %s becomes %s', async (uri, expected = uri) => {
  const decision = await authorize(uri);
  if (decision.allow || decision.returnUrl === undefined) expect.unreachable();
  expect(decision.returnUrl).toMatch(/^%2F(?!%2F|%5C)[A-Za-z0-9%.!~*'()_-]*$/);
  expect(decodeURIComponent(decision.returnUrl)).toBe(expected);
});

test.each([
  ['it is too long', `/download/${'a'.repeat(2040)}?${'b'.repeat(100)}`],
  ['a token is in the path', `/download/sub/~${TOKEN}/a`],
  ['an encoded token is in the path', `/download/sub/~ps%255F${TOKEN.slice(3)}/a`],
  ['it is malformed', '//evil.example/'],
  ['two tokens are presented', `/download/a?token=${TOKEN}&token=${TOKEN}`],
])('return URL: there is none if %s', async (_, uri) => {
  const decision = await authorize(uri);
  expect(decision.allow).toBe(false);
  expect('returnUrl' in decision ? decision.returnUrl : undefined).toBeUndefined();
});

test('return URL: a request with an encoded token in the path has none', async () => {
  const decision = await authorize(`/download/~%70${TOKEN.slice(1)}/a`);
  expect(decision).toEqual({ allow: false, code: 'invalid_request' });
});
