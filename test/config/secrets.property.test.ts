import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../service/config/errors.ts';
import { metaAt, SETTINGS, variableOf } from '../../service/config/settings.ts';
import { FIELDS, fileIssues, HASH, load, loadFile, PLACES } from '../support/load-config.ts';
import { runs } from '../support/runs.ts';
import { SECRETS } from '../support/secrets.ts';

/** Fails if eight characters of the secret are in what the attempt reports. */
function expectHidden(hidden: string, attempt: () => unknown) {
  try {
    attempt();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const report = `${error.message}\n${JSON.stringify(error)}`;
    for (let at = 0; at + 8 <= hidden.length; at += 1) {
      const shown = hidden.slice(at, at + 8);
      // A call of `expect` for each place would take a third of the time of all unit tests.
      if (report.includes(shown)) expect(report).not.toContain(shown);
    }
    return;
  }
  throw new Error('no issue was found');
}

describe('config: no error shows a secret in the wrong place', () => {
  const secret = fc
    .tuple(
      fc.constantFrom(...Object.values(SECRETS)),
      fc.uint8Array({ minLength: 64, maxLength: 64 }),
    )
    .map(([make, bytes]) => make(Buffer.from(bytes)));
  // A second error, for a setting in which the text is valid.
  const invalid = { POSTERN_EVENTS: 'x' };

  test('of the environment', () => {
    fc.assert(
      fc.property(secret, fc.constantFrom(...SETTINGS), ({ text, hidden }, setting) => {
        const env = { ...invalid, [variableOf(setting)]: text };
        expectHidden(hidden, () => load(env));
      }),
      { numRuns: runs(1500) },
    );
  });

  const shape = fc.constantFrom<(text: string) => unknown>(
    (text) => text,
    (text) => [text],
    (text) => [[text]],
    (text) => ({ password: text }),
    (text) => ({ [text]: 'x' }),
    (text) => [{ [text]: text }],
  );

  test('of the file', () => {
    fc.assert(
      fc.property(
        secret,
        fc.constantFrom(...PLACES),
        shape,
        ({ text, hidden }, [, put], shaped) => {
          expectHidden(hidden, () => loadFile(put(shaped(text)), invalid));
        },
      ),
      { numRuns: runs(2500) },
    );
  });
});

/** A report shows no value of these: each is a secret, the path of one, a name beside one, or a URL. A new one is hidden. */
const HIDDEN = [
  ...['store', 'store_prefix', 'store_password_file', 'store_key_file', 'store_server_name'],
  ...['store_sentinel_username', 'store_sentinel_password', 'api_keys', 'issuers', 'issuer'],
  ...['jwt_issuer', 'jwt_keys_file'],
  ...['public_url', 'api_url', 'webhook_url', 'webhook_secret_file', 'page_name', 'page_links'],
  ...['storage', 'endpoint', 'region', 'bucket', 'credentials', 'id', 'key'],
  ...['key_file', 'jwks_uri', 'audience', 'client'],
];

test('config: a report shows no value of a secret, whatever it looks like', () => {
  const { settings, storage, ...lists } = FIELDS;
  const paths = [
    ...settings.map((name) => [name]),
    ...Object.entries(lists).flatMap(([list, names]) => names.map((name) => [list, 0, name])),
    ...storage.map((name) => ['mounts', 0, 'storage', name]),
  ];
  const hidden = paths.filter((path) => !['word', 'place'].includes(String(metaAt(path).shown)));
  const names = new Set(hidden.map((path) => String(path.at(-1))));
  expect([...names]).toEqual(expect.arrayContaining(HIDDEN));
});

const WORD = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-';

/**
 * Unlike any text of ours, so that it cannot be found by chance. Joined of letters: fc.string() slips
 * in words such as `propertyIsEnumerable`.
 */
const random = fc
  .array(fc.constantFrom(...WORD), { minLength: 8, maxLength: 30 })
  .map((letters) => `Qz${letters.join('')}Zq`);

test.each([
  ...['api_keys: [{ id: web, key: § }]', 'api_keys: [{ id: web, key: "sha256:§" }]'],
  ...['api_keys: [{ id: web, secret: § }]', `api_keys: [{ id: web, key: "${HASH}", § }]`],
  ...[`api_keys: [{ id: "web:§", key: "${HASH}" }]`, 'api_keys: §', 'api_keys: [web:§]'],
  ...['api_keys: [[§]]', 'api_keys: { web: § }', 'api_keys: { §: web }', 'api_key: §'],
  ...['mounts: [{ public: /a/, internal: /b/, key: § }]', 'api_keys: [{ id: web, key: *§ }]'],
  ...['api_keys: [{ id: web, *§ : a }]', 'api_keys: [{ id: web, key: !§ a }]'],
  ...['api_keys: [{ id: web, key: !!binary § }]', 'api_keys: [{ id: web, key: "§\\q" }]'],
  ...['api_keys: [{ id: web, key: "§ }]', 'api_keys: [{ id: web, key: @§ }]'],
  ...['api_keys: [{ id: web, key: a: § }]', 'api_keys:\n  - id: web\n   key: §'],
  ...['api_keys:\n\t- key: §', 'store: redis://:§@redis.example/x'],
  `jwt_keys_file: '{"keys":[{"kty":"oct","k":"§"}]}'`,
  ...['issuers: [{ jwks_uri: "https://me:§@login.example/" }]'],
  ...['issuers: [{ jwks_uri: "http://login.example/jwks?api_key=§" }]'],
  ...['mounts: [{ public: /a/, internal: /b/, storage: { endpoint: "https://a:§@a.example" } }]'],
  ...['mounts: [{ public: /a/, internal: /b/, storage: { credentials: "§ §" } }]'],
  ...['%§\n---\nlisten: a', 'listen: a\n--- §'],
])('config: no error shows the secret of a file: %s', (text) => {
  const mounts = /^(mounts|%)/.test(text) ? '' : 'mounts: [{ public: /a/, internal: /b/ }]\n';
  fc.assert(
    fc.property(random, (hidden) => {
      expectHidden(hidden, () => loadFile((mounts + text).replaceAll('§', () => hidden)));
    }),
    { numRuns: runs(100) },
  );
});

test.each([
  ['store_sentinel_password: 4815162342', 'store_sentinel_password'],
  ['store_password_file: 4815162342', 'store_password_file'],
  ['store: redis://default:4815162342', 'store'],
  ['store: redis://redis.example/4815162342', 'store'],
  ['mounts: [{ public: /b/, internal: /c/, storage: 4815162342 }]', 'mounts[0].storage'],
])('config: no error shows a secret of digits: %s', (yaml, field) => {
  const mounts = yaml.startsWith('mounts') ? '' : 'mounts: [{ public: /a/, internal: /b/ }]\n';
  const issues = fileIssues(mounts + yaml);
  expect(issues.map((issue) => issue.field)).toContain(field);
  expect(JSON.stringify(issues)).not.toContain('4815162342');
});
