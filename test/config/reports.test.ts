import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CHART_SCHEMA, chartSchema } from '../../dev/build/chart-schema.ts';
import { ConfigError } from '../../service/config/errors.ts';
import { documentedSettings, SETTINGS, variableOf } from '../../service/config/settings.ts';
import { projectRoot } from '../harness/paths.ts';
import {
  errorOf,
  FIELDS,
  fileIssues,
  fileOf,
  issuesOf,
  load,
  loadFile,
  PLACES,
} from '../support/load-config.ts';
import { runs } from '../support/runs.ts';

const YAML = `store: redis://:hunter2@redis.example/x
log_level: INFO
cookie_samesite: any
mounts:
  - public: /download
    internal: /protected/
  - public: /media/
    internal: /media/files/
    colour: red
api_keys:
  - id: web
    key: hunter2
    paths: [/elsewhere]
    max_expires_in: 9999
    max_resume_for: 99999
format: jwt
issuers:
  - id: web
    issuer: postern
    audience: a b
`;

test('config: one report lists every error: of the environment, then of the file by its lines', () => {
  const env = {
    POSTERN_LISTEN: '7300',
    POSTERN_EXPIRES_IN: '7200',
    POSTERN_RESUME_FOR: '86401',
    POSTERN_LIMIT: '1',
    POSTERN_DECISION_TTL: '-1',
    POSTERN_COOKIE_SECURE: 'no',
    POSTERN_JWT_LEEWAY: '61',
  };
  const error = errorOf(() => loadFile(YAML, env));
  expect(error.issues.map(({ field, where }) => `${where ?? ''} ${field}`)).toEqual([
    ...[' POSTERN_LIMIT', ' POSTERN_LISTEN', ' POSTERN_DECISION_TTL', ' POSTERN_COOKIE_SECURE'],
    ...[' POSTERN_JWT_LEEWAY', ' POSTERN_EXPIRES_IN', ' POSTERN_RESUME_FOR'],
    ...['postern.yaml:1 store', 'postern.yaml:2 log_level', 'postern.yaml:3 cookie_samesite'],
    ...['postern.yaml:5 mounts[0].public', 'postern.yaml:8 mounts[1].internal'],
    ...['postern.yaml:9 mounts[1].colour', 'postern.yaml:12 api_keys[0].key'],
    ...['postern.yaml:13 api_keys[0].paths[0]', 'postern.yaml:14 api_keys[0].max_expires_in'],
    ...['postern.yaml:15 api_keys[0].max_resume_for', 'postern.yaml:16 format'],
    ...['postern.yaml:18 issuers[0].trusted_for', 'postern.yaml:18 issuers[0].paths'],
    ...['postern.yaml:18 issuers[0].id', 'postern.yaml:18 issuers[0].jwks_uri'],
    ...['postern.yaml:19 issuers[0].issuer', 'postern.yaml:20 issuers[0].audience'],
  ]);
  expect(error.message).toMatch(
    /^Postern cannot start: 24 errors in its configuration\.\n\n {2}POST/,
  );
  for (const { field, expected } of error.issues) {
    expect(error.message).toContain(`\n\n  ${field}`);
    expect(error.message).toContain(`\n    expected: ${expected}`);
  }
});

test('config: the report shortens values and escapes control characters', () => {
  const value = `/a\n\x1b[2j\x9b\u202e\u2028${'x.'.repeat(100)}`;
  expect(issuesOf({ POSTERN_LISTEN: value })[0]?.value).toBe(
    `"/a\\n\\u001b[2j\\u{9b}\\u{202e}\\u{2028}${'x.'.repeat(45)}…"`,
  );
});

test.each([
  ['listen', ['a', 'b'], 'a list'],
  ['listen', { a: 'b' }, 'a mapping'],
  ['listen', 5, '5'],
  ['listen', '5', '"5"'],
  ['log_level', 'INFO', '"INFO"'],
  ['store_ca_file', '/etc/ca.crt', '"/etc/ca.crt"'],
  // A setting with a URL, a text that is too long for a word, and one that looks like a password.
  ['public_url', 'files.example', undefined],
  ['log_level', 'information.', '"information."'],
  ['log_level', 'a-long-log-level', undefined],
  ['listen', 'web:hunter2', undefined],
  ['listen', 'user:_secret.pass', undefined],
  ['listen', 'user:7-horse-battery.staple', undefined],
  ['listen', 'correct.horse-battery', undefined],
  ['listen', '127.0.0.1:99999', '"127.0.0.1:99999"'],
  ['listen', '[::1]:99999', '"[::1]:99999"'],
])('config: of %s: %j the report shows %s', (setting, given, value) => {
  expect(fileIssues(fileOf({ [setting]: given }))).toMatchObject([{ field: setting, value }]);
});

describe('config: anything configured is accepted or reported', () => {
  const RUNS = { numRuns: runs(100) };

  /** It is a configuration or a ConfigError, never a crash. */
  function expectAnswer(attempt: () => unknown) {
    try {
      attempt();
    } catch (error) {
      if (!(error instanceof ConfigError) || error.issues.length === 0) throw error;
      // Each message is Postern's: those of zod name no example.
      for (const { expected } of error.issues)
        expect(expected).not.toMatch(/^$|^(Invalid|Too|Unrec)/);
    }
  }

  const words = ['/a/', '/b/', 'a.example:/a/', '=', ':', ',', 'redis://', 'https://', 'unix:/'];
  const braces = ['@', '{', '}/'];
  const word = fc.constantFrom(...words, ...braces);
  const text = fc.oneof(fc.string({ unit: 'binary' }), word, fc.webUrl());
  const texts = fc.array(text, { maxLength: 5 }).map((parts) => parts.join(''));

  test('any environment', () => {
    const env = fc.dictionary(fc.constantFrom(...SETTINGS.map(variableOf)), texts);
    fc.assert(
      fc.property(env, (variables) => expectAnswer(() => load(variables))),
      RUNS,
    );
  });

  test('any YAML tree', () => {
    const key = fc.constantFrom(...new Set(Object.values(FIELDS).flat()), 'other');
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.oneof(texts, fc.double(), fc.integer(), fc.boolean(), fc.constant(null)),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
      ),
    }));
    const file = fc.dictionary(key, tree).map((settings) => JSON.stringify(settings));
    fc.assert(
      fc.property(file, (yaml) => expectAnswer(() => loadFile(yaml))),
      RUNS,
    );
  });

  test('any text in a file', () => {
    const keys = ['mounts', 'api_keys', 'issuers', 'id'];
    const syntax = [': ', '\n', '  ', '- ', '[', '{', '"', '&a ', '*a', '? ', '<<'];
    const scrap = fc.constantFrom(...keys, ...syntax);
    const yaml = fc.array(fc.oneof(scrap, texts), { maxLength: 12 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(yaml, (lines) => expectAnswer(() => loadFile(lines))),
      RUNS,
    );
  });

  // Random trees seldom reach the fields of an entry.
  test.each(PLACES)('each type of value in %s', (_, put) => {
    const scalars = [undefined, 5, -1.5, true, '', 'a b', 'a:/b/'];
    const lists = [[], ...scalars.map((one) => [one]), [[]], [{}]];
    for (const value of [...scalars, null, ...lists, {}, { a: 1 }]) {
      expectAnswer(() => loadFile(put(value)));
    }
  });
});

const PATH = new URL('../../docs/reference/configuration.md', import.meta.url);
const page = readFileSync(PATH, 'utf8');

const section = (heading: string) =>
  page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';

function block(language: string, heading: string): string {
  const fence = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'm');
  return fence.exec(section(heading))?.[1] ?? expect.unreachable();
}

const example = block('yaml', 'Example');

test('docs/reference/configuration.md: the example is valid, also with the issuers of jwt.md', () => {
  const jwts = readFileSync(new URL('jwt.md', PATH), 'utf8');
  const issuers = [...jwts.matchAll(/^issuers:\n([\s\S]*?)^```/gm)]
    .map(([, entry]) => entry)
    .join('');
  const mounts = example.replace(
    'mounts:\n',
    'mounts:\n  - { public: /download-logs-with-token/, internal: /logs/ }\n',
  );
  const config = loadFile(`${mounts}issuers:\n${issuers}`);
  expect(config.mounts.map(({ id }) => id)).toContain('files.example/media/');
  expect(config.apiKeys.map(({ client }) => client.id)).toEqual(['web', 'batch']);
  expect(config.maxExpiresIn).toBe(86_400);
  expect(config.issuers.map(({ id, trustedFor }) => [id, trustedFor])).toEqual([
    ['shop', 'downloads'],
    ['login', 'clients'],
  ]);
});

test('docs/reference/configuration.md: the error report is a real one', () => {
  const yaml = example.replace('public: /download/\n', 'public: /download\n');
  const env = { POSTERN_CONFIG: '/etc/postern/postern.yaml', POSTERN_LISTEN: '7300' };
  const { message } = errorOf(() => loadFile(yaml, env));
  expect(block('text', 'When something is wrong').trim()).toBe(message);
});

describe('the table in settings.ts; `npx vitest run test/config/reports.test.ts --update=all` writes', () => {
  test('its rows in docs/reference/configuration.md', async () => {
    let [written, above] = [page, ''];
    for (const { title, meaning, value, standard } of documentedSettings()) {
      const row = `| \`${title}\` | ${meaning} | ${value} | ${standard} |`;
      const own = written.match(new RegExp(`^\\| \`${title}\` \\|.*$`, 'm'))?.[0];
      // A new one is below that of the setting before it.
      written = written.replace(own ?? above, () => (own ? row : `${above}\n${row}`));
      above = row;
    }
    await expect(written).toMatchFileSnapshot(fileURLToPath(PATH));
  });

  test('its types in deploy/helm/postern/values.schema.json', async () => {
    await expect(chartSchema()).toMatchFileSnapshot(join(projectRoot, CHART_SCHEMA));
  });
});

test.each([
  ['Mounts', FIELDS.mounts],
  ['API keys', FIELDS.api_keys],
  ['Issuers', FIELDS.issuers],
])('docs/reference/configuration.md: each field is in the table of %s', (heading, fields) => {
  for (const field of fields) expect(section(heading)).toContain(`\n| \`${field}\` |`);
});
