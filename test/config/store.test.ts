import { expect, test } from 'vitest';
import { issuesOf, load } from './load.ts';

test.each([
  'memory:',
  'redis://127.0.0.1',
  'redis://127.0.0.1:6379',
  'redis://127.0.0.1:6379/',
  'redis://redis.example:6379/15',
  'redis://[::1]:6379/0',
  'redis://user:p%40ss%2Fword@redis.example:6379/0',
  'redis://:p@ss@redis.example',
  'rediss://redis.example:6380',
  'redis+sentinel://user:p%40ss@a.example,b.example:26380/main/1',
  'rediss+cluster://a.example,[::1]:7000',
])('config: the store URL %s is accepted', (url) => {
  expect(load({ POSTERN_STORE: url }).store.url).toBe(url);
});

test.each([
  ['memory', 'memory:', undefined],
  ['memory://', 'memory:', undefined],
  ['127.0.0.1:6379', 'redis://', undefined],
  ['http://redis.example', 'redis://', '"http://redis.example"'],
  ['redis+sentinel://:secret@a,b', "master's name", undefined],
  ['redis+cluster://a,b/1', 'no database numbers', '"redis+cluster://a/***"'],
  // The client would connect without TLS.
  ['REDISS://a:6379', 'rediss://', '"REDISS://a:6379"'],
  ['redis:/redis.example', 'redis://', undefined],
  ['redis://', 'one host', undefined],
  ['redis:///0', 'one host', undefined],
  ['redis://a,b', 'one host', '"redis://a/***"'],
  ['redis://a:0', 'port', '"redis://a:0"'],
  ['redis://a:65536', 'a URL', undefined],
  ['redis://a:b', 'a URL', undefined],
  ['redis://a/b', 'number', '"redis://a/***"'],
  ['redis://a/0/1', 'number', '"redis://a/***"'],
  ['redis://a/0?db=1', '%3F', undefined],
  ['redis://a/0#b', '%23', undefined],
  [' redis://a', 'redis://', undefined],
  ['redis://a/0 ', 'spaces', undefined],
  ['redis://:secret@redis.example:6379/x', 'number', undefined],
  ['redis://:sec/ret@redis.example:6379/0', 'percent', undefined],
  ['redis://:sec#ret@redis.example', 'percent', undefined],
  ['redis://:%zz@redis.example', '%25', undefined],
])('config: the store URL %s is rejected', (url, expected, value) => {
  expect(issuesOf({ POSTERN_STORE: url })).toEqual([
    { field: 'POSTERN_STORE', value, expected: expect.stringContaining(expected) },
  ]);
});

test('config: prefixes of store keys', () => {
  for (const prefix of ['p', 'site-1:postern.', 'a/b_c:', 'x'.repeat(64)]) {
    expect(load({ POSTERN_STORE_PREFIX: prefix }).store.prefix).toBe(prefix);
  }
  for (const prefix of [' ', '{a}', 'a*', 'ä:', 'x'.repeat(65)]) {
    expect(issuesOf({ POSTERN_STORE_PREFIX: prefix })).toMatchObject([
      { field: 'POSTERN_STORE_PREFIX', expected: expect.stringContaining('postern:') },
    ]);
  }
});
