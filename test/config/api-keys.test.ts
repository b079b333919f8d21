import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { findClient } from '../../service/token/client.ts';
import {
  expectIssue,
  fileIssues,
  issuesOf,
  load,
  loadFile,
  missing,
  unattendedIssues,
} from './load.ts';

const SECRET = 'a-s3cret:of=16&';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const A = `sha256:${'a'.repeat(64)}`;
const B = `sha256:${'b'.repeat(64)}`;

test('config: POSTERN_API_KEYS may issue for every mount', () => {
  const secret = `${SECRET}!`;
  const { apiKeys } = load({
    POSTERN_API_KEYS: `web:${secret}, batch:sha256:${sha256('other').toUpperCase()}\n`,
    POSTERN_MAX_EXPIRES_IN: '777',
    POSTERN_MAX_RESUME_FOR: '888',
  });
  const web = { id: 'web', targets: [], maxExpiresIn: 777, maxResumeFor: 888 };
  expect(findClient(apiKeys, secret)).toEqual(web);
  expect(findClient(apiKeys, 'other')).toEqual({ ...web, id: 'batch' });
  expect(findClient(apiKeys, 'neither')).toBeUndefined();
});

test.each([
  ['web', ''],
  ['web=s3cret-of-16-characters', ''],
  ['web:', '.key'],
  [`web:${SECRET}`, '.key'],
  [`${SECRET}!:web`, '.key'],
  [`:${SECRET}!`, '.id'],
  [`w b:${SECRET}!`, '.id'],
  [`${'w'.repeat(65)}:${SECRET}!`, '.id'],
  ['web:a secret with spaces', '.key'],
  ['web:ein-gehütetes-geheimnis', '.key'],
  ['web:sha256:abc', '.key'],
  [`web:SHA256:${'z'.repeat(64)}`, '.key'],
  [`web:sha256:${'a'.repeat(65)}`, '.key'],
  [A, '.id'],
])('config: POSTERN_API_KEYS=%s is an error that shows no value', (value, field) => {
  // The first entry is valid.
  expect(issuesOf({ POSTERN_API_KEYS: `other:${SECRET}?,${value}` })).toMatchObject([
    { field: `POSTERN_API_KEYS[1]${field}`, value: undefined },
  ]);
});

test.each([
  [`web:${SECRET}!,web:${SECRET}?`, '.id', 'an id that no earlier'],
  [`web:${SECRET}!,batch:${SECRET}!`, '.key', 'a secret that no earlier'],
  [`web:${SECRET}!,batch:sha256:${sha256(`${SECRET}!`)}`, '.key', 'a secret that no earlier'],
  [`web:${SECRET}!,`, '', 'a secret cannot contain a comma'],
])('config: two API keys: %s', (value, field, expected) => {
  expect(issuesOf({ POSTERN_API_KEYS: value })).toEqual([
    { field: `POSTERN_API_KEYS[1]${field}`, expected: expect.stringContaining(expected) },
  ]);
});

const MOUNTS = `
max_expires_in: 1000
max_resume_for: 2000
mounts:
  - { public: /download/, internal: /protected/ }
  - { public: /media/, internal: /media-files/, site: files.example }
`;
const one = (more: string) => `${MOUNTS}api_keys: [{ id: web, key: "${A}"${more} }]`;

test('config: api_keys of the file', () => {
  const yaml = `${MOUNTS}
api_keys:
  - id: web
    key: sha256:${sha256('a key')}
    paths: [/download/a/, /, "Files.example:/media/", "other.example:/download/"]
    targets: [/protected/, /media-files/shared/]
    max_expires_in: 999
    max_resume_for: 1999
  - { id: batch, key: "${B}" }
`;
  const { apiKeys } = loadFile(yaml);
  expect(findClient(apiKeys, 'a key')).toEqual({
    id: 'web',
    paths: [
      { prefix: '/download/a/' },
      { prefix: '/' },
      { site: 'files.example', prefix: '/media/' },
      { site: 'other.example', prefix: '/download/' },
    ],
    targets: ['/protected/', '/media-files/shared/'],
    maxExpiresIn: 999,
    maxResumeFor: 1999,
  });
  const general = { maxExpiresIn: 1000, maxResumeFor: 2000 };
  expect(apiKeys[1]?.client).toEqual({ id: 'batch', targets: [], ...general });
});

test('config: only an API key with admin is an administrator', () => {
  const adminOf = (more: string) => loadFile(one(more)).apiKeys[0]?.client.admin;
  expect(adminOf(', admin: true')).toBe(true);
  for (const more of ['', ', admin: false']) expect(adminOf(more)).toBeUndefined();
});

test('config: max_resume_for 0 forbids a client to issue resumable tokens', () => {
  expect(loadFile(one(', max_resume_for: 0')).apiKeys[0]?.client.maxResumeFor).toBe(0);
  const general = loadFile(one(''), { POSTERN_MAX_RESUME_FOR: '0' });
  expect(general.apiKeys[0]?.client.maxResumeFor).toBe(0);
});

test.each([
  [`api_keys: web:${SECRET}!`, 'api_keys', 'a list'],
  [`api_keys: ["web:${SECRET}!"]`, 'api_keys[0]', 'a mapping'],
  [`api_keys: [{ key: "${A}" }]`, 'api_keys[0].id', 'such as web'],
  [`api_keys: [{ id: "a b", key: "${A}" }]`, 'api_keys[0].id', 'such as web'],
  [`api_keys: [{ id: 5, key: "${A}" }]`, 'api_keys[0].id', 'such as web'],
  ['api_keys: [{ id: web }]', 'api_keys[0].key', 'sha256sum'],
  [`api_keys: [{ id: web, key: "${SECRET}!" }]`, 'api_keys[0].key', 'sha256sum'],
  [`api_keys: [{ id: web, key: "${A}  -" }]`, 'api_keys[0].key', 'sha256sum'],
  [`api_keys: [{ id: a, key: "${A}" }, { id: a, key: "${B}" }]`, 'api_keys[1].id', 'earlier'],
  [`api_keys: [{ id: a, key: "${A}" }, { id: b, key: "${A}" }]`, 'api_keys[1].key', 'earlier'],
])('%s', (yaml, field, expected) => {
  const issues = fileIssues(MOUNTS + yaml);
  expect(issues).toEqual([
    { field, where: 'postern.yaml:7', expected: expect.stringContaining(expected) },
  ]);
});

test.each([
  [', paths: []', 'paths', 'at least one'],
  [', paths: /download/', 'paths', 'a list'],
  [', paths: [/download]', 'paths[0]', 'end with a slash'],
  [', paths: [5]', 'paths[0]', 'such as /download/'],
  [', paths: ["a b:/download/"]', 'paths[0]', 'server_name'],
  [', paths: [/other/]', 'paths[0]', 'never match'],
  [', paths: ["other.example:/media/"]', 'paths[0]', 'never match'],
  [', targets: /protected/', 'targets', 'a list'],
  [', targets: [/protected]', 'targets[0]', 'end with a slash'],
  [', targets: [/]', 'targets[0]', 'never match'],
  [', targets: [/protected/, /download/]', 'targets[1]', 'never match'],
  [', max_expires_in: 1001', 'max_expires_in', '1 to 1000'],
  [', max_expires_in: 0', 'max_expires_in', '1 to '],
  [', max_resume_for: 2001', 'max_resume_for', '0 to 2000'],
  [', max_resume_for: -1', 'max_resume_for', '0 to '],
  [', max_expires: 5', '?', 'id, key, paths, targets, max_expires_in, max_resume_for, admin'],
  [', admin: yes', 'admin', 'true'],
  [', admin: 1', 'admin', 'true'],
  [', keys: 5', '?', 'did you mean key?'],
])('config: an API key with%s is an error', (more, field, expected) => {
  expectIssue(fileIssues(one(more)), `api_keys[0].${field}`, expected);
});

test('a duplicate is reported beside other errors of its entry', () => {
  const keys = `{ id: a, key: "${A}" }, { id: a, key: "${A}", max_expires_in: 0, paths: [x] }`;
  expect(fileIssues(`${MOUNTS}api_keys: [${keys}]`).map(({ field }) => field)).toEqual([
    ...['api_keys[1].paths[0]', 'api_keys[1].max_expires_in', 'api_keys[1].id', 'api_keys[1].key'],
  ]);
});

test('config: the error shows the limits of the API key', () => {
  const keys = one(', max_expires_in: 1001, max_resume_for: 2001');
  expect(fileIssues(keys).map(({ value }) => value)).toEqual(['1001', '2001']);
});

test('config: a setting that is compared with an invalid one gets no second error', () => {
  const own = 'paths: [/a/], targets: [/b/], max_expires_in: 5000, max_resume_for: 90000';
  const keys = `api_keys: [{ id: web, key: "${A}", ${own} }]`;
  const general = 'max_expires_in: x\nmax_resume_for: x';
  const yaml = `${general}\nmounts: [{ public: /a, internal: /b/ }]\n${keys}`;
  expect(fileIssues(yaml).map(({ field }) => field)).toEqual([
    'max_expires_in',
    'max_resume_for',
    'mounts[0].public',
  ]);
});

test('config: a missing API key is reported with the other errors', () => {
  const fields = unattendedIssues({ POSTERN_DECISION_TTL: 'x' }).map(({ field }) => field);
  expect(fields).toEqual(
    expect.arrayContaining(['POSTERN_API_KEYS', 'POSTERN_DECISION_TTL', 'POSTERN_MOUNTS']),
  );
});

test('config: without an API no API key is needed', () => {
  const mounts = { POSTERN_MOUNTS: '/download/=/protected/' };
  const { apiKeys } = loadConfig({ ...mounts, POSTERN_API_LISTEN: 'off' }, missing);
  expect(apiKeys).toEqual([]);
  expect(unattendedIssues(mounts).map(({ field }) => field)).toEqual(['POSTERN_API_KEYS']);
});

test('config: an empty list of API keys is an error', () => {
  const yaml = 'mounts: [{ public: /download/, internal: /protected/ }]\napi_keys: []';
  expect(fileIssues(yaml)).toMatchObject([{ field: 'api_keys' }]);
});
