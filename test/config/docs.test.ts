import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { documentedSettings } from '../../service/config/settings.ts';
import { errorOf, loadFile } from './load.ts';
import { FIELDS } from './places.ts';

const PATH = new URL('../../docs/reference/configuration.md', import.meta.url);
const page = readFileSync(PATH, 'utf8');

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

test('docs/reference/configuration.md: the example is valid', () => {
  const config = loadFile(example);
  expect(config.mounts.map(({ id }) => id)).toEqual([
    '/download/',
    'files.example/media/',
    '/download-logs/',
  ]);
  expect(config.apiKeys.map(({ client }) => client.id)).toEqual(['web', 'batch']);
  expect(config.maxExpiresIn).toBe(86_400);
});

test('docs/reference/configuration.md: the example with issuers is valid', () => {
  const { issuers } = loadFile(example + block('yaml', 'Issuers'));
  expect(issuers.map(({ id, trustedFor }) => [id, trustedFor])).toEqual([
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

// `npx vitest run -u test/config/docs.test.ts` writes the rows.
test('docs/reference/configuration.md: the row of each setting is that of the table in settings.ts', async () => {
  const rows = new Map(
    documentedSettings().map(({ title, meaning, value, standard }) => [
      title,
      `| \`${title}\` | ${meaning} | ${value} | ${standard} |`,
    ]),
  );
  const named: string[] = [];
  const written = page.replace(/^\| `([A-Za-z_]+)` \|.*\|.*\|.*\|$/gm, (row, title: string) => {
    if (rows.has(title)) named.push(title);
    return rows.get(title) ?? row;
  });
  expect(named.sort()).toEqual([...rows.keys()].sort());
  await expect(written).toMatchFileSnapshot(fileURLToPath(PATH));
});

test.each([
  ['Mounts', FIELDS.mounts],
  ['API keys', FIELDS.api_keys],
  ['Issuers', FIELDS.issuers],
])('docs/reference/configuration.md: each field is in the table of %s', (heading, fields) => {
  for (const field of fields) expect(section(heading)).toContain(`\n| \`${field}\` |`);
});
