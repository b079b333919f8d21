import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { SETTINGS } from '../../service/config/settings.ts';
import { changesBetween } from '../../service/process/reload.ts';
import { load, loadFile, MOUNTS } from '../config/load.ts';

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
    ...['added api_keys new', 'added mounts /c/', 'added public_url', 'changed api_keys web'],
    ...['changed cookie_samesite', 'changed mounts /a/', 'removed api_keys batch'],
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

const FIXED = `
listen: 127.0.0.1:1
api_listen: off
metrics_listen: 127.0.0.1:3
delivery_listen: 127.0.0.1:4
delivery_from: [127.0.0.2]
socket_mode: 0600
store: redis+sentinel://a-host/main
store_prefix: 'a:'
store_timeout_ms: 10
store_replicas: 1
sentinel_username: ada
sentinel_password: a-secret
`;
const RELOADABLE = `
expires_in: 5
max_expires_in: 6
resume_for: 0
max_resume_for: 8
public_url: http://files.example
api_url: http://postern.example
decision_ttl: 7
cookie_samesite: strict
cookie_secure: false
events: [token.revoked]
page_name: Files
page_color: '#000000'
page_links: [Help=/help]
log_level: silent
cookie_partitioned: false
format: jwt
jwt_keys: /etc/keys.json
issuer: own
leeway: 60
`;
const MOUNT = 'mounts: [{ public: /a/, internal: /i/ }]';

const namesIn = (yaml: string) => (yaml.match(/^\w+(?=:)/gm) ?? []).sort();
const changed = (yaml: string) => changesBetween(loadFile(MOUNT), loadFile(yaml + MOUNT));

test('changes: each setting has its own name', () => {
  const { made, needRestart } = changed(FIXED);
  expect([made, [...needRestart].sort()]).toEqual([[], namesIn(FIXED)]);
  const reloaded = changed(RELOADABLE);
  expect(reloaded.needRestart).toEqual([]);
  expect(reloaded.made.map((text) => text.split(' ')[1]).sort()).toEqual(namesIn(RELOADABLE));
  // The settings whose defaults or limits these are have not changed.
  expect(changed('public_url: http://a\nmax_expires_in: 60\n').made).toEqual([
    'changed max_expires_in',
    'added public_url',
  ]);
});

test('changes: these tests have every setting', () => {
  const files = /^(store_(\w+_file|server_name)|webhook_\w+|page_folder)$/;
  const lists = ['mounts', 'api_keys'];
  expect(namesIn(FIXED + RELOADABLE)).toEqual(
    SETTINGS.filter((name) => !files.test(name) && !lists.includes(name)).sort(),
  );
});

test('changes: the content of a file of the store needs a restart', () => {
  const config = loadFile(FIXED + MOUNT);
  const files = { store_password_file: 'x', store_ca_file: 'x', store_server_name: 'x' };
  const settings = { ...config.settings, ...files };
  expect(changesBetween(config, { ...config, settings }).needRestart).toEqual(Object.keys(files));
});

test('changes: those of a webhook are named, without values, and need no restart', () => {
  const secret = (letter: string) => `whsec_${Buffer.alloc(24, letter).toString('base64')}`;
  const withFile = (env: Record<string, string>, letter: string) =>
    loadConfig({ ...MOUNTS, ...FILE, ...env }, () => secret(letter), { onTerminal: true });
  const FILE = { POSTERN_WEBHOOK_SECRET_FILE: '/run/secrets/webhook' };
  const one = withFile({ POSTERN_WEBHOOK_URL: 'https://a.example/' }, 'a');
  const allow = { POSTERN_WEBHOOK_ALLOW: '10.0.0.0/8' };
  const two = withFile({ POSTERN_WEBHOOK_URL: 'https://b.example/', ...allow }, 'b');
  expect(changesBetween(load({}), one)).toEqual({
    made: ['added webhook_url', 'added webhook_secret_file'],
    needRestart: [],
  });
  expect(changesBetween(one, two)).toEqual({
    made: ['changed webhook_url', 'changed webhook_secret_file', 'added webhook_allow'],
    needRestart: [],
  });
});

test('changes: a reload names the pages if a file of their folder differs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pages-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const withLogo = async (logo: string) => {
    await writeFile(join(folder, 'logo.svg'), logo);
    const env = { ...MOUNTS, POSTERN_PAGE_FOLDER: folder };
    return loadConfig(env, (path) => readFileSync(path, 'utf8'), { onTerminal: true });
  };
  const [one, same, other] = [
    await withLogo('<svg/>'),
    await withLogo('<svg/>'),
    await withLogo(''),
  ];
  expect(changesBetween(one, same).made).toEqual([]);
  expect(changesBetween(one, other)).toEqual({ made: ['changed page_folder'], needRestart: [] });
});
