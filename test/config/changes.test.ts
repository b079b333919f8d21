import { expect, test } from 'vitest';
import { changesBetween } from '../../service/config/changes.ts';
import { SETTINGS } from '../../service/config/settings.ts';
import { load, loadFile } from './load.ts';

const BEFORE = load({
  POSTERN_MOUNTS: '/a/=/i/,files.example:/b/=/j/',
  POSTERN_API_KEYS: 'web:at-least-16-characters,batch:also-at-least-16-characters',
});

test('changes: the same configuration has none', () => {
  const again = load({
    POSTERN_MOUNTS: '/a/=/i/,files.example:/b/=/j/',
    POSTERN_API_KEYS: 'web:at-least-16-characters,batch:also-at-least-16-characters',
  });
  expect(changesBetween(BEFORE, again)).toEqual({ made: [], needRestart: [] });
});

test('changes: entries of lists are named by their ID, without values', () => {
  const after = load({
    POSTERN_MOUNTS: '/a/=/other/,/c/=/k/',
    POSTERN_API_KEYS: 'web:another-key-for-the-client,new:at-least-16-characters',
    POSTERN_COOKIE_SAMESITE: 'strict',
    POSTERN_PUBLIC_URL: 'https://files.example',
  });
  const { made, needRestart } = changesBetween(BEFORE, after);
  expect([...made].sort()).toEqual([
    'added api_keys new',
    'added mounts /c/',
    'added public_url',
    'changed api_keys web',
    'changed cookie_samesite',
    // The default of the issuer is the public URL.
    'changed issuer',
    'changed mounts /a/',
    'removed api_keys batch',
    'removed mounts files.example/b/',
  ]);
  expect(needRestart).toEqual([]);
});

test('changes: a key file is named if its content differs', () => {
  const files = (content: string) => new Map([['/keys.json', content]]);
  const made = (a: string, b: string) => changesBetween(BEFORE, BEFORE, [files(a), files(b)]).made;
  expect(made('a', 'a')).toEqual([]);
  expect(made('a', 'b')).toEqual(['changed file /keys.json']);
  expect(changesBetween(BEFORE, BEFORE, [new Map(), files('a')]).made).toEqual([
    'added file /keys.json',
  ]);
});

const YAML = `
listen: 127.0.0.1:1
api_listen: off
metrics_listen: 127.0.0.1:3
socket_mode: 0600
store: redis+sentinel://a-host/main
store_prefix: 'a:'
store_timeout_ms: 10
sentinel_username: ada
sentinel_password: a-secret
mounts: [{ public: /a/, internal: /i/ }]
`;

test('changes: every setting has its own name, and those of listeners and store need a restart', () => {
  const { made, needRestart } = changesBetween(
    loadFile('mounts: [{ public: /a/, internal: /i/ }]'),
    loadFile(YAML),
  );
  expect(made).toEqual([]);
  expect([...needRestart].sort()).toEqual(
    YAML.match(/^\w+(?=:)/gm)
      ?.filter((name) => name !== 'mounts')
      .sort(),
  );
  for (const name of needRestart) expect(SETTINGS).toContain(name);
});

test('changes: the content of a file of the store needs a restart', () => {
  const config = loadFile(YAML);
  const store = { ...config.store, password: 'x', tls: { ca: 'x', serverName: 'x' } };
  expect(changesBetween(config, { ...config, store }).needRestart).toEqual([
    'store_password_file',
    'store_server_name',
    'store_ca_file',
  ]);
});
