import { expect } from 'vitest';
import { type Config, loadConfig } from '../../service/config/config.ts';
import { ConfigError, type ConfigIssue } from '../../service/config/errors.ts';
import { FILE_ONLY, SETTINGS, TABLE } from '../../service/config/settings.ts';

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
  {
    listen: ['10.0.0.1:1', '[::1]:80', { listen: { host: '::1', port: 80 } }],
    api_listen: ['unix:/a.sock', '[::1]:81', { apiListen: { host: '::1', port: 81 } }],
    metrics_listen: ['10.0.0.1:2', '[::1]:82', { metricsListen: { host: '::1', port: 82 } }],
    delivery_listen: ['10.0.0.1:3', '[::1]:83', { deliveryListen: { host: '::1', port: 83 } }],
    delivery_from: [['10.0.0.2'], '10.0.0.3,fd00::/8', { deliveryFrom: ['10.0.0.3', 'fd00::/8'] }],
    socket_mode: ['0666', '0600', { socketMode: 0o600 }],
    store: ['rediss://redis.example', 'redis://a', { store: { url: 'redis://a' } }],
    store_prefix: ['a:', 'b:', { store: { prefix: 'b:' } }],
    store_timeout_ms: [10, '20', { store: { timeoutMs: 20 } }],
    store_replicas: [2, '1', { store: { replicas: 1 } }],
    mounts: [[{ public: '/m/', internal: '/i/' }], '/n/=/p/', { mounts: [{ prefix: '/n/' }] }],
    api_keys: [[{ id: 'a', key: HASH }], `web:${KEY}`, { apiKeys: [{ client: { id: 'web' } }] }],
    expires_in: [5, '3', { expiresIn: 3 }],
    max_expires_in: ['6', '300', { maxExpiresIn: 300 }],
    resume_for: [0, '4', { resumeFor: 4 }],
    max_resume_for: [8, '9', { maxResumeFor: 9 }],
    public_url: ['http://a.example:8080/', 'https://b.example', { publicUrl: 'https://b.example' }],
    api_url: ['http://c.example', 'https://d.example/', { apiUrl: 'https://d.example' }],
    decision_ttl: [7, '2', { decisionTtl: 2 }],
    cookie_samesite: ['strict', 'lax', { cookies: { sameSite: 'Lax' } }],
    cookie_secure: [false, 'true', { cookies: { secure: true } }],
    events: [['token.revoked'], 'token.issued', { events: { types: ['token.issued'] } }],
    page_name: ['Files', 'Other', { pages: { name: 'Other' } }],
    page_color: ['#AABBCC', '#000000', { pages: { color: '#000000' } }],
    page_links: [['Help=/help'], 'A=/a,B=/b', { pages: { links: [{ text: 'A' }, { url: '/b' }] } }],
    log_level: ['silent', 'debug', { logLevel: 'debug' }],
    format: ['jwt', 'opaque', { format: 'opaque' }],
    jwt_keys_file: ['/etc/keys.json', 'b.json', { jwtKeys: 'b.json' }],
    jwt_issuer: ['own', 'c', { issuer: 'c' }],
    jwt_leeway: [60, '0', { leeway: 0 }],
  };

/** All of them in one file. */
export const FILE = JSON.stringify(
  Object.fromEntries(Object.entries(OVERRIDES).map(([name, [inFile]]) => [name, inFile])),
);
