import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Config } from '../../service/config/config.ts';
import { ConfigError } from '../../service/config/errors.ts';
import { fileIssues, load, loadFile } from './load.ts';

/**
 * Unlike any text of ours, so that it cannot be found by chance. Joined of letters: fc.string() slips
 * in words such as `propertyIsEnumerable`.
 */
const secret = (alphabet: string) =>
  fc
    .array(fc.constantFrom(...alphabet), { minLength: 8, maxLength: 30 })
    .map((letters) => `Qz${letters.join('')}Zq`);

const WORD = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-';
const HOSTILE = `${WORD}:/?#[]%&=+!*'"\\{}<>~|^$ `;

/** Fails if any run of eight characters of the secret is in what the attempt throws. */
function expectHidden(hidden: string, attempt: () => Config) {
  try {
    attempt();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const said = `${error.message}\n${JSON.stringify(error)}`;
    for (let i = 0; i + 8 <= hidden.length; i += 1)
      expect(said).not.toContain(hidden.slice(i, i + 8));
    return;
  }
  throw new Error('no issue was found');
}

const inKeys: Array<(secret: string) => string> = [
  (s) => s,
  (s) => `web=${s}`,
  (s) => `web ${s}`,
  (s) => `web:${s.slice(0, 15)}`,
  (s) => `web:${s} ${s}`,
  (s) => `w/eb:${s}`,
  (s) => `${s}:web`,
  (s) => `web:${s}${s},web:${s}${s}`,
  (s) => `web:${s},${s}`,
  (s) => `web:sha256:${s}`,
  (s) => `sha256:${s}${s}`,
];

test.each(inKeys.map((form) => [form('<secret>'), form] as const))(
  'config: no error shows the secret of POSTERN_API_KEYS=%s',
  (_name, form) => {
    fc.assert(
      fc.property(secret(`${WORD}.+~=!$`), (hidden) => {
        expectHidden(hidden, () => load({ POSTERN_API_KEYS: form(hidden) }));
      }),
    );
  },
);

const inUrls: Array<(secret: string) => string> = [
  (s) => `redis://:${s}@redis.example:6379/abc`,
  (s) => `redis://user:${s}@redis.example:99999`,
  (s) => `redis://${s}@redis.example/0?a`,
  (s) => `redis://${s}@`,
  (s) => `redis://:${s}@@/x`,
  (s) => `redis://:${s}`,
  (s) => `redis://:a@${s}@redis.example/x`,
  (s) => `redis+sentinel://:${s}@a.example,b.example/name`,
  (s) => `http://user:${s}@redis.example`,
  (s) => `redis:${s}@redis.example`,
  (s) => `redis:/:${s}@redis.example`,
  (s) => `:${s}@redis.example`,
  (s) => `redis://redis.example/0?password=${s}`,
  (s) => `redis://redis.example/0#${s}`,
  (s) => `redis://redis.example/${s}`,
  (s) => `redis://default:${s}`,
];

test.each(inUrls.map((form) => [form('<secret>'), form] as const))(
  'config: no error shows the secret of POSTERN_STORE=%s or of such a public URL',
  (_name, form) => {
    fc.assert(
      fc.property(secret(HOSTILE), (hidden) => {
        // A second error, for values that are valid by chance.
        const env = { POSTERN_LOG_LEVEL: 'x' };
        expectHidden(hidden, () => load({ ...env, POSTERN_STORE: form(hidden) }));
        const url = form(hidden).replace(/^redis/, 'https');
        expectHidden(hidden, () => load({ ...env, POSTERN_PUBLIC_URL: url }));
      }),
    );
  },
);

const MOUNTS = 'mounts: [{ public: /a/, internal: /b/ }]\n';
const HASH = `sha256:${'a'.repeat(64)}`;
const inFiles: Array<(secret: string) => string> = [
  (s) => `api_keys: [{ id: web, key: ${s} }]`,
  (s) => `api_keys: [{ id: web, key: "sha256:${s}" }]`,
  (s) => `api_keys: [{ id: web, key: [${s}] }]`,
  (s) => `api_keys: [{ id: web, key: { ${s}: ${s} } }]`,
  (s) => `api_keys: [{ id: web, secret: ${s} }]`,
  (s) => `api_keys: [{ id: web, key: "${HASH}", ${s} }]`,
  (s) => `api_keys: [{ id: "web:${s}", key: "${HASH}" }]`,
  (s) => `api_keys: ${s}`,
  (s) => `api_keys: [web:${s}]`,
  (s) => `api_keys: [[${s}]]`,
  (s) => `api_keys: { web: ${s} }`,
  (s) => `api_keys: { ${s}: web }`,
  (s) => `api_key: ${s}`,
  (s) => `mounts: [{ public: /a/, internal: /b/, key: ${s} }]`,
  (s) => `api_keys: [{ id: web, key: *${s} }]`,
  (s) => `api_keys: [{ id: web, *${s} : a }]`,
  (s) => `api_keys: [{ id: web, key: !${s} a }]`,
  (s) => `api_keys: [{ id: web, key: !!binary ${s} }]`,
  (s) => `api_keys: [{ id: web, key: "${s}\\q" }]`,
  (s) => `api_keys: [{ id: web, key: "${s} }]`,
  (s) => `api_keys: [{ id: web, key: @${s} }]`,
  (s) => `api_keys: [{ id: web, key: a: ${s} }]`,
  (s) => `api_keys:\n  - id: web\n   key: ${s}`,
  (s) => `api_keys:\n\t- key: ${s}`,
  (s) => `store: redis://:${s}@redis.example/x`,
  (s) => `store: [redis://:${s}@redis.example]`,
  (s) => `store: { password: ${s} }`,
  (s) => `jwt_keys: '{"keys":[{"kty":"oct","k":"${s}"}]}'`,
  (s) => `jwt_keys: { keys: [{ kty: oct, k: ${s} }] }`,
  (s) => `jwt_keys: [${s}]`,
  (s) => `issuers: [{ jwks_uri: "https://me:${s}@login.example/" }]`,
  (s) => `issuers: [{ jwks_uri: "http://login.example/jwks?api_key=${s}" }]`,
  (s) =>
    `mounts: [{ public: /a/, internal: /b/, storage: { endpoint: "https://a:${s}@a.example" } }]`,
  (s) => `%${s}\n---\nlisten: a`,
  (s) => `listen: a\n--- ${s}`,
];

test.each(inFiles.map((form) => [form('<secret>'), form] as const))('%s', (_name, form) => {
  fc.assert(
    fc.property(secret(WORD), (hidden) => {
      const yaml = form(hidden);
      const mounts = /^(mounts|%)/.test(yaml) ? '' : MOUNTS;
      expectHidden(hidden, () => loadFile(mounts + yaml));
    }),
  );
});

test.each([
  ['sentinel_password: 4815162342', 'sentinel_password'],
  ['store_password_file: 4815162342', 'store_password_file'],
  ['store: redis://default:4815162342', 'store'],
  ['store: redis://redis.example/4815162342', 'store'],
  ['mounts: [{ public: /b/, internal: /c/, storage: 4815162342 }]', 'mounts[0].storage'],
])('config: no error shows a secret of digits: %s', (yaml, field) => {
  const mounts = yaml.startsWith('mounts') ? '' : MOUNTS;
  const issues = fileIssues(mounts + yaml);
  expect(issues.map((issue) => issue.field)).toContain(field);
  expect(JSON.stringify(issues)).not.toContain('4815162342');
});
