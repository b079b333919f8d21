import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { API_KEY_FIELDS, ISSUER_FIELDS } from '../../service/config/clients.ts';
import type { Config } from '../../service/config/config.ts';
import { ConfigError } from '../../service/config/errors.ts';
import { MOUNT_FIELDS } from '../../service/config/mounts.ts';
import { FILE_ONLY, SETTINGS, variableOf } from '../../service/config/settings.ts';
import { SHOWN } from '../../service/config/shown.ts';
import { STORAGE_FIELDS } from '../../service/config/storage.ts';
import { SECRETS } from '../support/secrets.ts';
import { load, loadFile } from './load.ts';

/** Fails if eight characters of the secret are in what the attempt reports. */
function expectHidden(hidden: string, attempt: () => Config) {
  try {
    attempt();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const report = `${error.message}\n${JSON.stringify(error)}`;
    for (let at = 0; at + 8 <= hidden.length; at += 1) {
      expect(report).not.toContain(hidden.slice(at, at + 8));
    }
  }
}

const secret = fc
  .tuple(
    fc.constantFrom(...Object.values(SECRETS)),
    fc.uint8Array({ minLength: 64, maxLength: 64 }),
  )
  .map(([make, bytes]) => make(Buffer.from(bytes)));

test('config: no error shows a secret that is in the wrong variable', () => {
  fc.assert(
    fc.property(secret, fc.constantFrom(...SETTINGS), ({ text, hidden }, setting) => {
      // A second error, for a setting in which this text is valid.
      const env = { POSTERN_EVENTS: 'x', [variableOf(setting)]: text };
      expectHidden(hidden, () => load(env));
    }),
    { numRuns: 3000 },
  );
});

const MOUNT = { public: '/a/', internal: '/b/' };
const STORAGE = {
  ...{ type: 's3', endpoint: 'http://10.0.0.5:9000', region: 'auto', bucket: 'media' },
  ...{ credentials: 'environment', style: 'virtual-host' },
};
const API_KEY = { id: 'web', key: `sha256:${'a'.repeat(64)}` };
const ISSUER = {
  ...{ id: 'app', issuer: 'https://app.example', jwks_uri: 'https://app.example/jwks.json' },
  ...{ audience: 'https://files.example', trusted_for: 'downloads', paths: ['/a/'] },
};

type Put = (value: unknown) => object;

const PLACES: readonly Put[] = [
  ...[...SETTINGS, ...FILE_ONLY].map(
    (name): Put =>
      (value) => ({ [name]: value }),
  ),
  ...MOUNT_FIELDS.map(
    (name): Put =>
      (value) => ({ mounts: [{ ...MOUNT, [name]: value }] }),
  ),
  ...STORAGE_FIELDS.map(
    (name): Put =>
      (value) => ({ mounts: [{ ...MOUNT, storage: { ...STORAGE, [name]: value } }] }),
  ),
  ...API_KEY_FIELDS.map(
    (name): Put =>
      (value) => ({ api_keys: [{ ...API_KEY, [name]: value }] }),
  ),
  ...ISSUER_FIELDS.map(
    (name): Put =>
      (value) => ({ issuers: [{ ...ISSUER, [name]: value }] }),
  ),
];

const SHAPES: readonly Put[] = [
  (text) => ({ value: text }),
  (text) => ({ value: [text] }),
  (text) => ({ value: [[text]] }),
  (text) => ({ value: { password: text } }),
  (text) => ({ value: { [String(text)]: 'x' } }),
  (text) => ({ value: [{ [String(text)]: text }] }),
];

test('config: no error shows a secret that is in the wrong place of the file', () => {
  const place = fc.constantFrom(...PLACES);
  const shape = fc.constantFrom(...SHAPES);
  fc.assert(
    fc.property(secret, place, shape, ({ text, hidden }, put, shaped) => {
      const { value } = shaped(text) as { value: unknown };
      const file = { mounts: [MOUNT], api_keys: [API_KEY], ...put(value) };
      expectHidden(hidden, () => loadFile(JSON.stringify(file), { POSTERN_EVENTS: 'x' }));
    }),
    { numRuns: 5000 },
  );
});

/** A report shows no value of these: each is a secret, the path of one, or a name beside one. */
const HIDDEN = [
  ...['store_prefix', 'store_password_file', 'store_key_file', 'store_server_name', 'jwt_keys'],
  ...['sentinel_username', 'sentinel_password', 'webhook_secret_file', 'issuer', 'api_keys'],
  ...['issuers', 'mounts.storage', 'mounts.storage.credentials', 'mounts.storage.access_key_id'],
  ...['mounts.storage.secret_access_key_file', 'mounts.storage.session_token_file'],
  ...['mounts.storage.bucket', 'mounts.storage.region', 'api_keys.id', 'api_keys.key'],
  ...['api_keys.admin', 'page_name', 'page_links'],
];

test('config: for each setting it is decided whether a report may show its value', () => {
  const names = [
    ...['config', ...SETTINGS, ...FILE_ONLY],
    ...MOUNT_FIELDS.map((name) => `mounts.${name}`),
    ...STORAGE_FIELDS.map((name) => `mounts.storage.${name}`),
    ...API_KEY_FIELDS.map((name) => `api_keys.${name}`),
    ...ISSUER_FIELDS.map((name) => `issuers.${name}`),
  ];
  expect([...Object.values(SHOWN).flat(), ...HIDDEN].sort()).toEqual(names.sort());
});

test('config: each kind of secret is random', () => {
  for (const make of Object.values(SECRETS)) {
    expect(make(randomBytes(64)).hidden).not.toBe(make(randomBytes(64)).hidden);
  }
});
