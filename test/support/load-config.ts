import { expect } from 'vitest';
import { type Config, loadConfig } from '../../service/config/config.ts';
import { ConfigError, type ConfigIssue } from '../../service/config/errors.ts';
import { FILE_ONLY, SETTINGS, TABLE } from '../../service/config/settings.ts';
import { yamlOf } from './fixtures.ts';

export type Env = Record<string, string | undefined>;

export const MOUNTS = { POSTERN_MOUNTS: '/download/=/protected/' };
const MOUNT = { public: '/download/', internal: '/protected/' };
export const KEY = '0123456789abcdef';
export const HASH = `sha256:${'a'.repeat(64)}`;

/** The configuration of an environment, with one mount if it sets none. */
export function load(env: Env): Config {
  return loadConfig({ ...MOUNTS, ...env }, missing, { onTerminal: true });
}

/** The configuration of a file, in an environment that otherwise sets only `env`. */
export function loadFile(yaml: string, env: Env = {}): Config {
  return loadConfig({ POSTERN_CONFIG: 'postern.yaml', ...env }, () => yaml, {
    onTerminal: true,
  });
}

/** The configuration of an environment that names these files. */
export function loadWith(files: Readonly<Record<string, string>>, env: Env): Config {
  const readFile = (path: string) => files[path] ?? missing();
  return loadConfig({ ...MOUNTS, ...env }, readFile, { onTerminal: true });
}

/** A file with these settings, and one mount if there is none. JSON is YAML. */
export const fileOf = (settings: object) => JSON.stringify({ mounts: [MOUNT], ...settings });

/** What `load` or `loadFile` throws; anything but a ConfigError fails the test. */
export function errorOf(attempt: () => unknown): ConfigError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('no issue was found');
}

export function issuesOf(env: Env): readonly ConfigIssue[] {
  return errorOf(() => load(env)).issues;
}

export function fileIssues(yaml: string, env: Env = {}): readonly ConfigIssue[] {
  return errorOf(() => loadFile(yaml, env)).issues;
}

/** Expects one issue: of that field, whose message has that text. */
export function expectIssue(issues: readonly ConfigIssue[], field: string, expected: string) {
  expect(issues).toMatchObject([{ field, expected: expect.stringContaining(expected) }]);
}

/** The error of `node:fs` for a file that does not exist. */
export function missing(): never {
  throw Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' });
}

const mount = TABLE.mounts.element.shape;
const namesIn = ({ shape }: { readonly shape: object }) => Object.keys(shape);

/** The names of the settings, and of the fields of their entries. */
export const FIELDS = {
  settings: [...SETTINGS, ...FILE_ONLY],
  mounts: Object.keys(mount),
  storage: namesIn(mount.storage.unwrap()),
  api_keys: namesIn(TABLE.api_keys.unwrap().element),
  issuers: namesIn(TABLE.issuers.unwrap().element),
};

const STORAGE = {
  ...{ type: 's3', endpoint: 'http://10.0.0.5:9000', region: 'auto', bucket: 'media' },
  ...{ credentials: 'environment', style: 'virtual-host' },
};
const API_KEY = { id: 'web', key: HASH };
const ISSUER = {
  ...{ id: 'app', issuer: 'https://app.example', jwks_uri: 'https://app.example/jwks.json' },
  ...{ audience: 'https://files.example', trusted_for: 'downloads', paths: ['/download/'] },
};

/** Returns a valid file, except for a value in one place. */
type Put = (value: unknown) => string;

const put = (settings: object) => fileOf({ api_keys: [API_KEY], ...settings });

/** Each place of a value in the file. */
export const PLACES: ReadonlyArray<readonly [name: string, put: Put]> = [
  ...FIELDS.settings.map((name) => [name, (value) => put({ [name]: value })] as [string, Put]),
  ...FIELDS.storage.map((name): [string, Put] => [
    `storage.${name}`,
    (value) => put({ mounts: [{ ...MOUNT, storage: { ...STORAGE, [name]: value } }] }),
  ]),
  ...Object.entries({ mounts: MOUNT, api_keys: API_KEY, issuers: ISSUER }).flatMap(
    ([list, entry]) =>
      FIELDS[list as keyof typeof FIELDS].map((name): [string, Put] => [
        `${list}.${name}`,
        (value) => put({ [list]: [{ ...entry, [name]: value }] }),
      ]),
  ),
];

/** Settings in the file, as a variable that overrides it, and what Postern then uses. Those of files are elsewhere. */
export const OVERRIDES: Record<string, readonly [inFile: unknown, variable: string, used: object]> =
  yamlOf('overrides.yaml');

/** All of them in one file. */
export const FILE = JSON.stringify(
  Object.fromEntries(Object.entries(OVERRIDES).map(([name, [inFile]]) => [name, inFile])),
);
