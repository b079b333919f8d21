import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { changesBetween } from '../../service/config/changes.ts';
import { loadConfig } from '../../service/config/config.ts';
import { SETTINGS } from '../../service/config/settings.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest } from '../support/for-test.ts';
import {
  FILE,
  fileOf,
  load,
  loadFile,
  loadWith,
  MOUNTS,
  OVERRIDES,
} from '../support/load-config.ts';

const loadBefore = () =>
  load({
    POSTERN_MOUNTS: '/a/=/i/,files.example:/b/=/j/',
    POSTERN_API_KEYS: 'web:at-least-16-characters,batch:also-at-least-16-characters',
  });
const BEFORE = loadBefore();

test('reload: the same configuration has none', () => {
  expect(changesBetween(BEFORE, loadBefore())).toEqual({ made: [], needRestart: [] });
});

test('reload: entries of lists are named by their ID, without values', () => {
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

test('reload: a key file is named if its content differs', () => {
  const files = (content: string) => new Map([['/keys.json', content]]);
  const made = (a: string, b: string) => changesBetween(BEFORE, BEFORE, [files(a), files(b)]).made;
  expect(made('a', 'a')).toEqual([]);
  expect(made('a', 'b')).toEqual(['changed file /keys.json']);
  expect(changesBetween(BEFORE, BEFORE, [new Map(), files('a')]).made).toEqual([
    'added file /keys.json',
  ]);
});

/** Settings that a reload does not change. */
const FIXED = [
  ...['listen', 'api_listen', 'metrics_listen', 'delivery_listen', 'delivery_from', 'socket_mode'],
  ...['store', 'store_prefix', 'store_timeout_ms', 'store_replicas'],
];

test('reload: each setting has its own name, and is made or needs a restart', () => {
  const before = loadFile(fileOf({}));
  const { made, needRestart } = changesBetween(before, loadFile(FILE));
  expect(needRestart.toSorted()).toEqual(FIXED.toSorted());
  const others = Object.keys(OVERRIDES).filter((name) => !FIXED.includes(name));
  expect([...new Set(made.map((text) => text.split(' ')[1]))].sort()).toEqual(others.sort());
  // The settings whose defaults or limits these are have not changed.
  const limits = { public_url: 'http://a', max_expires_in: 60, cookie_partitioned: false };
  const changes = changesBetween(before, loadFile(fileOf(limits)));
  expect(changes.made.toSorted()).toEqual([
    ...['added public_url', 'changed cookie_partitioned', 'changed max_expires_in'],
  ]);
});

test('reload: the files of the store need no restart, and its names do', () => {
  const names = SETTINGS.filter((name) =>
    /^(store_(\w+_file|server_name)|sentinel_\w+)$/.test(name),
  );
  const settings = { ...BEFORE.settings, ...Object.fromEntries(names.map((name) => [name, 'x'])) };
  const { made, needRestart } = changesBetween(BEFORE, { ...BEFORE, settings });
  expect(made).toHaveLength(4);
  expect(needRestart.toSorted()).toEqual(names.filter((name) => !/_file$/.test(name)).toSorted());
});

test('reload: those of a webhook are named, without values, and need no restart', () => {
  const FILE = { POSTERN_WEBHOOK_SECRET_FILE: '/run/secrets/webhook' };
  const withSecret = (letter: string, env: Record<string, string>) => {
    const secret = `whsec_${Buffer.alloc(24, letter).toString('base64')}`;
    return loadWith({ [FILE.POSTERN_WEBHOOK_SECRET_FILE]: secret }, { ...FILE, ...env });
  };
  const one = withSecret('a', { POSTERN_WEBHOOK_URL: 'https://a.example/' });
  const allow = { POSTERN_WEBHOOK_ALLOW: '10.0.0.0/8' };
  const two = withSecret('b', { POSTERN_WEBHOOK_URL: 'https://b.example/', ...allow });
  expect(changesBetween(load({}), one)).toEqual({
    made: ['added webhook_url', 'added webhook_secret_file'],
    needRestart: [],
  });
  expect(changesBetween(one, two)).toEqual({
    made: ['changed webhook_url', 'changed webhook_secret_file', 'added webhook_allow'],
    needRestart: [],
  });
});

test('reload: names the pages if a file of their folder differs', async () => {
  const folder = await folderForTest();
  const withLogo = async (logo: string) => {
    await writeFiles(folder, { 'logo.svg': logo });
    const env = { ...MOUNTS, POSTERN_PAGE_FOLDER: folder };
    return loadConfig(env, (path) => readFileSync(path, 'utf8'), { onTerminal: true });
  };
  const one = await withLogo('<svg/>');
  expect(changesBetween(one, await withLogo('<svg/>')).made).toEqual([]);
  const change = { made: ['changed page_folder'], needRestart: [] };
  expect(changesBetween(one, await withLogo(''))).toEqual(change);
});
