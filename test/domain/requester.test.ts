import { expect, test } from 'vitest';
import { digest } from '../../service/token/token.ts';
import { identify } from '../../service/token/uses.ts';

/** Secrets that differ by their number. */
const secrets = (count: number, first = 0) =>
  Array.from({ length: count }, (_, i) => String(first + i).padStart(22, 'x'));

test('requester: without cookies it gets a cookie with a new secret', () => {
  const { requester, resumeCookie } = identify(undefined, '192.0.2.1');
  expect(resumeCookie).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(requester).toStrictEqual({
    cookies: [],
    address: '192.0.2.1',
    newCookie: digest(resumeCookie),
  });
  expect(identify(undefined, '192.0.2.1').resumeCookie).not.toBe(resumeCookie);
});

test.each([undefined, '', 'unix:'])('requester: %j is not used as an address', (address) => {
  expect(identify(undefined, address).requester).not.toHaveProperty('address');
});

test('requester: the first 32 different secrets are read', () => {
  const held = secrets(40);
  const resume = [held.slice(0, 5).join('.'), held.slice(3).join('.')].join(' ');
  expect(identify(resume, undefined).requester.cookies).toEqual(held.slice(0, 32).map(digest));
});

test('requester: the new secret is first in the cookie, and the last ones are dropped', () => {
  const held = secrets(9);
  const [secret, ...kept] = identify(held.join('.'), undefined).resumeCookie.split('.');
  expect(held).not.toContain(secret);
  expect(kept).toEqual(held.slice(0, 7));
});
