import { expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { errorOf, fileIssues, issuesOf, loadFile, MOUNTS } from './load.ts';

const GOOD = 'mounts: [{ public: /a/, internal: /b/ }]\n';

test.each([
  ['ENOENT', 'does not exist'],
  ['EACCES', 'may not read'],
  ['EISDIR', 'a folder'],
  ['EIO', 'cannot be'],
])('%s', (code, expected) => {
  const readFile = () => {
    throw Object.assign(new Error('of the file system'), { code });
  };
  const env = { ...MOUNTS, POSTERN_CONFIG: '/etc/postern.yaml' };
  expect(errorOf(() => loadConfig(env, readFile)).issues).toEqual([
    {
      field: 'POSTERN_CONFIG',
      value: '"/etc/postern.yaml"',
      expected: expect.stringContaining(expected),
    },
  ]);
});

test.each([
  ['\tlisten: a', '1:1', 'not tabs'],
  ['listen: "a', '2:1', 'closing quote'],
  ['listen: [::1]:7300', '1:14', 'quotes around'],
  ['listen: a: b', '1:9', 'quotes around'],
  ['listen: @a', '1:9', 'begins with @'],
  ['listen: !a b', '1:9', 'no tag'],
  ['listen: !!binary aGVsbG8=', '1:9', 'no tag'],
  ['a: 1\n---\nb: 2', '2:1', 'one document'],
  ['? [a]\n: b', '1:3', 'plain text'],
  ['listen: "\\q"', '1:10', 'valid YAML'],
  ['mounts:\n  - public: /a/\n   internal: /b/', '3:1', 'in one column'],
  ['a:\n  b: 1\n c: 2', '3:1', 'same column'],
])('config: %j is not YAML', (yaml, at, expected) => {
  expect(fileIssues(`${yaml}\n`)).toEqual([
    {
      field: 'the file',
      where: `postern.yaml:${at}`,
      expected: expect.stringContaining(expected),
    },
  ]);
});

test('config: duplicate keys and the first syntax error are reported', () => {
  const yaml = `${GOOD}listen: a:1\nlisten: b:2\nstore: c\nstore: d\npublic_url: "\n`;
  expect(fileIssues(yaml).map(({ where }) => where)).toEqual([
    'postern.yaml:3:1',
    'postern.yaml:5:1',
    'postern.yaml:7:1',
  ]);
  expect(fileIssues('mounts: [{ site: a, site: b }]')).toMatchObject([
    { where: 'postern.yaml:1:21' },
  ]);
});

test.each([
  ['mounts: [{ site: *.a }]', 'mounts[0].site', 'needs quotes'],
  ['listen: &a b\nstore: *a', 'store', 'needs quotes'],
  ['*a', 'the file', 'needs quotes'],
  ['- listen', 'the file', 'a mapping'],
  ['listen', 'the file', 'a mapping'],
])('%j', (yaml, field, expected) => {
  expect(fileIssues(yaml, MOUNTS)).toMatchObject([
    {
      field,
      where: expect.stringMatching(/^postern.yaml:\d$/),
      expected: expect.stringContaining(expected),
    },
  ]);
});

test.each([
  ['listn: a', 'listn', 'did you mean listen?'],
  ['POSTERN_API_LISTEN: a', 'POSTERN_API_LISTEN', 'did you mean api_listen?'],
  ['POSTERN_LISTEN: a', 'POSTERN_LISTEN', 'one of the keys listen, api_listen'],
  ['config: a', 'config', 'one of the keys listen, api_listen'],
  ['token_length: 5', 'token_length', 'one of the keys listen, api_listen'],
  ['__proto__: { listen: a }', '__proto__', 'one of the keys listen, api_listen'],
  ['<<: { listen: a }', '?', 'one of the keys listen, api_listen'],
  ['"a\\nb\\e": c', '?', 'one of the keys listen, api_listen'],
  ['1: c', '1', 'one of the keys listen, api_listen'],
])('config: unknown key in %j', (yaml, field, expected) => {
  expect(fileIssues(GOOD + yaml)).toEqual([
    { field, where: 'postern.yaml:2', expected: expect.stringContaining(expected) },
  ]);
});

test('config: an empty file and a file of comments are accepted', () => {
  for (const yaml of ['', '# nothing\n', '---\n', '{}', 'null']) {
    expect(loadFile(yaml, MOUNTS)).toEqual(loadFile(GOOD, MOUNTS));
  }
});

test('config: errors of the environment are reported even if the file cannot be read', () => {
  const env = { POSTERN_CONFIG: 'gone.yaml', POSTERN_LISTEN: 'x', POSTERN_MOUNTS: 'y' };
  expect(issuesOf(env).map(({ field }) => field)).toEqual([
    'POSTERN_CONFIG',
    'POSTERN_LISTEN',
    'POSTERN_MOUNTS',
  ]);
});

test('config: an error has the line of its key', () => {
  expect(fileIssues(`${GOOD}store:\n\n  redis\n`)).toMatchObject([{ where: 'postern.yaml:2' }]);
});
