import { expect, test } from 'vitest';
import { parseStoreUrl, shownHosts } from '../service/store/connection/url.ts';

const at = (port: number, ...hosts: string[]) => hosts.map((host) => ({ host, port }));

test.each([
  ['memory:', { kind: 'memory', addresses: [], isTls: false, database: 0 }],
  [
    'redis://redis.example',
    { kind: 'server', addresses: at(6379, 'redis.example'), isTls: false, database: 0 },
  ],
  [
    'rediss://:p@ss%40@[::1]:6380/15',
    { kind: 'server', addresses: at(6380, '::1'), isTls: true, password: 'p@ss@', database: 15 },
  ],
  [
    'redis+sentinel://a,b:26380,[::1]:26381/main',
    {
      kind: 'sentinel',
      addresses: [...at(26_379, 'a'), ...at(26_380, 'b'), ...at(26_381, '::1')],
      isTls: false,
      master: 'main',
      database: 0,
    },
  ],
  [
    'rediss+sentinel://user:pa%2Css@a,b/my-master.1/3',
    {
      kind: 'sentinel',
      addresses: at(26_379, 'a', 'b'),
      isTls: true,
      username: 'user',
      password: 'pa,ss',
      master: 'my-master.1',
      database: 3,
    },
  ],
  [
    'redis+cluster://a,b:7000/',
    {
      kind: 'cluster',
      addresses: [...at(6379, 'a'), ...at(7000, 'b')],
      isTls: false,
      database: 0,
    },
  ],
  [
    'rediss+cluster://user:pass@a',
    {
      kind: 'cluster',
      addresses: at(6379, 'a'),
      isTls: true,
      username: 'user',
      password: 'pass',
      database: 0,
    },
  ],
])('a store URL: %s', (text, parsed) => {
  expect(parseStoreUrl(text)).toStrictEqual(parsed);
});

test.each([
  ['redis+sentinel://a,b', "master's name"],
  ['redis+sentinel://a,b/', "master's name"],
  ['redis+sentinel://a,b/x y', 'spaces'],
  ['redis+sentinel://a,b/é', "master's name"],
  ['redis+sentinel://a,b/main/x', 'database number'],
  ['redis+sentinel://a,b/main/0/1', 'database number'],
  ['redis+sentinel://a,,b/main', 'commas'],
  ['redis+sentinel://a:0,b/main', '65535'],
  ['redis+sentinel:///main', 'commas'],
  ['redis+cluster://a,b/0', 'no database numbers'],
  ['redis+cluster://a,b?x', '%3F'],
  ['redis+cluster://', 'commas'],
  ['redis+cluster://[::g]', 'commas'],
  ['redis+cluster://se/cret@a', 'percent'],
  ['redis+cluster://:%zz@a', '%25'],
  ['redis+Cluster://a', 'redis+cluster://'],
  ['redis+sentinels://a/main', 'redis+sentinel://'],
])('no store URL: %s', (text, expected) => {
  const parsed = parseStoreUrl(text);
  expect(parsed).toEqual({ expected: expect.stringContaining(expected) });
  expect(JSON.stringify(parsed)).not.toMatch(/cret|zz/);
});

test('hosts are shown without credentials', () => {
  const parsed = parseStoreUrl('redis+sentinel://user:secret@a,[::1]:1/main');
  expect('kind' in parsed && shownHosts(parsed)).toBe('a:26379,[::1]:1');
});
