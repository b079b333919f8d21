import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { API_KEY_FIELDS, MOUNT_FIELDS, SETTINGS, variableOf } from '../../service/config/names.ts';
import { errorOf, loadFile } from './load.ts';

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

function block(language: string): string {
  const text = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'm').exec(page)?.[1];
  if (text === undefined) throw new Error(`the page has no block of ${language}`);
  return text;
}

test('the example is a configuration', () => {
  const config = loadFile(block('yaml'));
  expect(config.mounts.map(({ id }) => id)).toEqual([
    '/download/',
    'files.example/media/',
    '/download-logs/',
  ]);
  expect(config.apiKeys.map(({ client }) => client.id)).toEqual(['web', 'batch']);
  expect(config.maxExpiresIn).toBe(86_400);
});

test('the report on the page is one', () => {
  const yaml = block('yaml').replace('public: /download/\n', 'public: /download\n');
  const path = '/etc/postern/postern.yaml';
  const { message } = errorOf(() =>
    loadFile(yaml, { POSTERN_CONFIG: path, POSTERN_LISTEN: '7300' }),
  );
  const blocks = (text: string) => text.trim().split('\n\n').sort();
  expect(blocks(block('text'))).toEqual(blocks(message));
});

test('each setting is in the table, with both its names', () => {
  for (const setting of SETTINGS) {
    expect(page).toContain(`| \`${variableOf(setting)}\` | \`${setting}\` |`);
  }
});

test.each([
  ['Mounts', MOUNT_FIELDS],
  ['API keys', API_KEY_FIELDS],
])('each field is in the table of %s', (heading, fields) => {
  const section = page.split(/^## /m).find((text) => text.startsWith(heading));
  for (const field of fields) expect(section).toContain(`\n| \`${field}\` |`);
});
