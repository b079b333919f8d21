import fc from 'fast-check';
import { expect, test } from 'vitest';
import { API_KEY_FIELDS, ISSUER_FIELDS } from '../../service/config/clients.ts';
import type { Config } from '../../service/config/config.ts';
import { ConfigError } from '../../service/config/errors.ts';
import { MOUNT_FIELDS } from '../../service/config/mounts.ts';
import { FILE_ONLY, SETTINGS, variableOf } from '../../service/config/settings.ts';
import { load, loadFile } from './load.ts';

/** Whatever is configured, it is a configuration or a ConfigError, never a crash. */
function expectAnswer(attempt: () => Config) {
  try {
    attempt();
  } catch (error) {
    if (!(error instanceof ConfigError) || error.issues.length === 0) throw error;
    // Each message is Postern's: those of zod name no example.
    for (const { expected } of error.issues)
      expect(expected).not.toMatch(/^$|^(Invalid|Too|Unrec)/);
  }
}

const words = [
  '/a/',
  '/b/',
  'a.example:/a/',
  '=',
  ':',
  ',',
  'redis://',
  'https://',
  'unix:/',
  '@',
  '{',
  '}/',
];
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...words), fc.webUrl());
const texts = fc.array(text, { maxLength: 5 }).map((parts) => parts.join(''));

test('config: any environment is accepted or reported as a configuration error', () => {
  const env = fc.dictionary(fc.constantFrom(...SETTINGS.map(variableOf)), texts);
  fc.assert(fc.property(env, (variables) => expectAnswer(() => load(variables))));
});

test('config: any YAML tree is accepted or reported as a configuration error', () => {
  const key = fc.constantFrom(
    ...[...SETTINGS, ...FILE_ONLY, ...MOUNT_FIELDS, ...API_KEY_FIELDS, ...ISSUER_FIELDS, 'other'],
  );
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(texts, fc.double(), fc.integer(), fc.boolean(), fc.constant(null)),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
    ),
  }));
  // JSON is YAML.
  const file = fc.dictionary(key, tree).map((settings) => JSON.stringify(settings));
  fc.assert(fc.property(file, (yaml) => expectAnswer(() => loadFile(yaml))));
});

test('config: any text in a file is accepted or reported as a configuration error', () => {
  const scrap = fc.constantFrom(
    ...[
      'mounts',
      'api_keys',
      'issuers',
      'id',
      ': ',
      '\n',
      '  ',
      '- ',
      '[',
      '{',
      '"',
      '&a ',
      '*a',
      '? ',
      '<<',
    ],
  );
  const yaml = fc.array(fc.oneof(scrap, texts), { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(fc.property(yaml, (lines) => expectAnswer(() => loadFile(lines))));
});

const MOUNT = { public: '/a/', internal: '/b/' };
const API_KEY = { id: 'web', key: `sha256:${'a'.repeat(64)}` };
const ISSUER = {
  id: 'app',
  issuer: 'https://app.example',
  jwks_uri: 'https://app.example/jwks.json',
  audience: 'https://files.example',
  trusted_for: 'downloads',
  paths: ['/a/'],
};

type Place = readonly [name: string, put: (value: unknown) => object];

const settings = [...SETTINGS, ...FILE_ONLY].map(
  (name): Place => [name, (value) => ({ [name]: value })],
);
const inEntry = (list: string, entry: object, fields: readonly string[]) =>
  fields.map(
    (field): Place => [`${list}.${field}`, (value) => ({ [list]: [{ ...entry, [field]: value }] })],
  );

// Random trees seldom reach the fields of an entry.
test.each([
  ...settings,
  ...inEntry('mounts', MOUNT, MOUNT_FIELDS),
  ...inEntry('api_keys', API_KEY, API_KEY_FIELDS),
  ...inEntry('issuers', ISSUER, ISSUER_FIELDS),
])('config: each type of value in %s is accepted or reported', (_, put) => {
  const scalars = [undefined, 5, -1.5, true, '', 'a b', 'a:/b/'];
  for (const value of [...scalars, [], ...scalars.map((one) => [one]), [[]], [{}], {}, { a: 1 }]) {
    const file = { mounts: [MOUNT], api_keys: [API_KEY], ...put(value) };
    expectAnswer(() => loadFile(JSON.stringify(file)));
  }
});
