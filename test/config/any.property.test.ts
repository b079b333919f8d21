import fc from 'fast-check';
import { test } from 'vitest';
import {
  API_KEY_FIELDS,
  FILE_ONLY,
  ISSUER_FIELDS,
  MOUNT_FIELDS,
  SETTINGS,
  variableOf,
} from '../../service/config/names.ts';
import { type Config, ConfigError } from '../../service/config.ts';
import { load, loadFile } from './load.ts';

/** Whatever is configured, it is a configuration or a ConfigError, never a crash. */
function expectAnswer(attempt: () => Config) {
  try {
    attempt();
  } catch (error) {
    if (!(error instanceof ConfigError) || error.faults.length === 0) throw error;
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
