import { expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { fileIssues, load, loadFile, MOUNTS, missing } from './load.ts';

test('config: default values', () => {
  expect(load({})).toEqual({
    listen: { path: '/run/postern/gate.sock' },
    apiListen: { host: '127.0.0.1', port: 7301 },
    deliveryFrom: ['127.0.0.0/8', '::1'],
    socketMode: 0o660,
    store: { url: 'memory:', prefix: 'postern:', timeoutMs: 250, replicas: 0 },
    events: { types: [] },
    pages: { texts: {}, files: {} },
    mounts: [
      { id: '/download/', prefix: '/download/', internal: '/protected/', passArguments: [] },
    ],
    apiKeys: [],
    expiresIn: 120,
    maxExpiresIn: 3600,
    resumeFor: 3600,
    maxResumeFor: 86_400,
    decisionTtl: 0,
    cookies: { sameSite: 'Lax', secure: true, partitioned: false },
    logLevel: 'info',
    format: 'opaque',
    issuer: 'postern',
    leeway: 5,
    issuers: [],
  });
});

test('config: without POSTERN_CONFIG no file is read', () => {
  const never = () => expect.unreachable();
  const env = { ...MOUNTS, POSTERN_CONFIG: '', POSTERN_API_KEYS: 'web:a-s3cret-of-24-characters' };
  expect(loadConfig(env, never).listen).toBeDefined();
});

test('config: an empty variable counts as not set', () => {
  expect(load({ POSTERN_EXPIRES_IN: '', POSTERN_API_KEYS: '', POSTERN_TYPO: '' })).toEqual(
    load({}),
  );
});

const FILE = `
listen: 10.0.0.1:1
api_listen: unix:/run/api.sock
metrics_listen: 10.0.0.1:2
delivery_listen: 10.0.0.1:3
delivery_from: [10.0.0.2, 10.1.0.0/16]
socket_mode: 0666
store: rediss://redis.example
store_prefix: 'a:'
store_timeout_ms: 10
store_replicas: 2
mounts: [{ public: /m/, internal: /i/ }]
expires_in: 5
max_expires_in: "6"
resume_for: 0
max_resume_for: 8
public_url: http://files.example:8080/
decision_ttl: 7
cookie_samesite: strict
cookie_secure: false
events: [token.revoked]
page_name: Files
page_color: '#AABBCC'
page_links: [Help=/help]
log_level: silent
format: jwt
jwt_keys: /etc/keys.json
issuer: own
leeway: 60
issuers:
  - { id: b, issuer: b, jwks_file: b, audience: b, trusted_for: clients, paths: ['/m/{sub}/'] }
`;
const OF_FILE = {
  listen: { host: '10.0.0.1', port: 1 },
  apiListen: { path: '/run/api.sock' },
  metricsListen: { host: '10.0.0.1', port: 2 },
  deliveryListen: { host: '10.0.0.1', port: 3 },
  deliveryFrom: ['10.0.0.2', '10.1.0.0/16'],
  socketMode: 0o666,
  store: { url: 'rediss://redis.example', prefix: 'a:', timeoutMs: 10, replicas: 2 },
  mounts: [{ id: '/m/', prefix: '/m/', internal: '/i/', passArguments: [] }],
  apiKeys: [],
  expiresIn: 5,
  maxExpiresIn: 6,
  resumeFor: 0,
  maxResumeFor: 8,
  publicUrl: 'http://files.example:8080',
  decisionTtl: 7,
  cookies: { sameSite: 'Strict', secure: false, partitioned: false },
  events: { types: ['token.revoked'] },
  pages: {
    name: 'Files',
    color: '#AABBCC',
    links: [{ text: 'Help', url: '/help' }],
    texts: {},
    files: {},
  },
  logLevel: 'silent',
  format: 'jwt',
  jwtKeys: '/etc/keys.json',
  issuer: 'own',
  leeway: 60,
  issuers: [
    {
      id: 'b',
      issuer: 'b',
      keys: { file: 'b' },
      audience: 'b',
      trustedFor: 'clients',
      algorithms: ['EdDSA', 'ES256', 'RS256'],
      paths: [{ prefix: '/m/{sub}/' }],
      targets: [],
      maxExpiresIn: 6,
      maxResumeFor: 8,
    },
  ],
};

test('config: every setting can be in the file', () => {
  expect(loadFile(FILE)).toEqual(OF_FILE);
});

test('config: a key without a value is an error', () => {
  const yaml = 'mounts: [{ public: /download/, internal: /protected/, site: }]\nstore:';
  expect(fileIssues(yaml).map(({ field }) => field)).toEqual(['store', 'mounts[0].site']);
});

test.each([
  ['POSTERN_LISTEN', '[::1]:80', { listen: { host: '::1', port: 80 } }],
  ['POSTERN_API_LISTEN', '[::1]:81', { apiListen: { host: '::1', port: 81 } }],
  ['POSTERN_METRICS_LISTEN', '[::1]:82', { metricsListen: { host: '::1', port: 82 } }],
  ['POSTERN_DELIVERY_LISTEN', '[::1]:83', { deliveryListen: { host: '::1', port: 83 } }],
  ['POSTERN_DELIVERY_FROM', '10.0.0.3,fd00::/8', { deliveryFrom: ['10.0.0.3', 'fd00::/8'] }],
  ['POSTERN_SOCKET_MODE', '0600', { socketMode: 0o600 }],
  ['POSTERN_STORE', 'redis://a', { store: { ...OF_FILE.store, url: 'redis://a' } }],
  ['POSTERN_STORE_PREFIX', 'b:', { store: { ...OF_FILE.store, prefix: 'b:' } }],
  ['POSTERN_STORE_TIMEOUT_MS', '20', { store: { ...OF_FILE.store, timeoutMs: 20 } }],
  ['POSTERN_STORE_REPLICAS', '1', { store: { ...OF_FILE.store, replicas: 1 } }],
  [
    'POSTERN_MOUNTS',
    '/m/=/protected/',
    { mounts: load({ POSTERN_MOUNTS: '/m/=/protected/' }).mounts },
  ],
  ['POSTERN_EXPIRES_IN', '3', { expiresIn: 3 }],
  [
    'POSTERN_MAX_EXPIRES_IN',
    '300',
    { maxExpiresIn: 300, issuers: OF_FILE.issuers.map((one) => ({ ...one, maxExpiresIn: 300 })) },
  ],
  ['POSTERN_RESUME_FOR', '4', { resumeFor: 4 }],
  [
    'POSTERN_MAX_RESUME_FOR',
    '0',
    { maxResumeFor: 0, issuers: OF_FILE.issuers.map((one) => ({ ...one, maxResumeFor: 0 })) },
  ],
  ['POSTERN_PUBLIC_URL', 'https://b.example', { publicUrl: 'https://b.example' }],
  ['POSTERN_DECISION_TTL', '2', { decisionTtl: 2 }],
  [
    'POSTERN_COOKIE_SAMESITE',
    'lax',
    { cookies: { sameSite: 'Lax', secure: false, partitioned: false } },
  ],
  [
    'POSTERN_COOKIE_SECURE',
    'true',
    { cookies: { sameSite: 'Strict', secure: true, partitioned: false } },
  ],
  [
    'POSTERN_EVENTS',
    'token.issued, token.refused',
    { events: { types: ['token.issued', 'token.refused'] } },
  ],
  ['POSTERN_LOG_LEVEL', 'debug', { logLevel: 'debug' }],
  ['POSTERN_FORMAT', 'opaque', { format: 'opaque' }],
  ['POSTERN_JWT_KEYS', 'b.json', { jwtKeys: 'b.json' }],
  ['POSTERN_ISSUER', 'c', { issuer: 'c' }],
  ['POSTERN_LEEWAY', '0', { leeway: 0 }],
])('config: %s overrides the file', (variable, value, changed) => {
  expect(loadFile(FILE, { [variable]: value })).toEqual({ ...OF_FILE, ...changed });
});

test('config: a list in the environment replaces the list in the file, including its errors', () => {
  const file = `${FILE}api_keys: [{ id: a }]`;
  const { apiKeys } = loadFile(file, { POSTERN_API_KEYS: 'web:0123456789abcdef' });
  expect(apiKeys.map(({ client }) => client.id)).toEqual(['web']);
});

test('config: the result is frozen', () => {
  const config = load({ POSTERN_API_KEYS: 'web:0123456789abcdef' });
  const check = (value: unknown) => {
    if (typeof value !== 'object' || value === null || value instanceof Buffer) return;
    expect(Object.isFrozen(value)).toBe(true);
    Object.values(value).forEach(check);
  };
  check(config);
  expect(config.apiKeys[0]?.client).toBeDefined();
});

test('config: a file that cannot be read is an error', () => {
  const env = { ...MOUNTS, POSTERN_CONFIG: '/etc/postern.yaml' };
  expect(() => loadConfig(env, missing)).toThrow('"/etc/postern.yaml"');
  expect(() => loadConfig({ POSTERN_CONFIG: 'x' }, missing)).toThrow('1 error ');
});
