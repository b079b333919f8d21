import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { API_KEY_FIELDS, ISSUER_FIELDS } from '../../service/config/clients.ts';
import { MOUNT_FIELDS } from '../../service/config/mounts.ts';
import { FILE_ONLY, SETTINGS, variableOf } from '../../service/config/settings.ts';
import { errorOf, loadFile } from './load.ts';

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

function section(heading: string): string {
  const found = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  if (found === undefined) throw new Error(`the page has no section ${heading}`);
  return found;
}

function block(language: string, heading: string): string {
  const fence = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'm');
  const text = fence.exec(section(heading))?.[1];
  if (text === undefined) throw new Error(`${heading} has no block of ${language}`);
  return text;
}

const example = block('yaml', 'Example');

test('docs/configuration.md: the example is valid', () => {
  const config = loadFile(example);
  expect(config.mounts.map(({ id }) => id)).toEqual([
    '/download/',
    'files.example/media/',
    '/download-logs/',
  ]);
  expect(config.apiKeys.map(({ client }) => client.id)).toEqual(['web', 'batch']);
  expect(config.maxExpiresIn).toBe(86_400);
});

test('docs/configuration.md: the example with issuers is valid', () => {
  const { issuers } = loadFile(example + block('yaml', 'Issuers'));
  expect(issuers.map(({ id, trustedFor }) => [id, trustedFor])).toEqual([
    ['shop', 'downloads'],
    ['login', 'clients'],
  ]);
});

test('docs/configuration.md: the error report is a real one', () => {
  const yaml = example.replace('public: /download/\n', 'public: /download\n');
  const path = '/etc/postern/postern.yaml';
  const { message } = errorOf(() =>
    loadFile(yaml, { POSTERN_CONFIG: path, POSTERN_LISTEN: '7300' }),
  );
  const blocks = (text: string) => text.trim().split('\n\n').sort();
  expect(blocks(block('text', 'When something is wrong'))).toEqual(blocks(message));
});

test('docs/configuration.md: each setting is in the table with both names', () => {
  for (const setting of SETTINGS) {
    expect(page).toContain(`| \`${variableOf(setting)}\` | \`${setting}\` |`);
  }
  for (const setting of FILE_ONLY) expect(page).toContain(`\n| – | \`${setting}\` |`);
});

test.each([
  ['Mounts', MOUNT_FIELDS],
  ['API keys', API_KEY_FIELDS],
  ['Issuers', ISSUER_FIELDS],
])('docs/configuration.md: each field is in the table of %s', (heading, fields) => {
  for (const field of fields) expect(section(heading)).toContain(`\n| \`${field}\` |`);
});
