import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { fencedBlocks } from './blocks.ts';
import { diagnosed } from './diagnose.ts';

const pages = ['nginx.md', 'nginx-recipes.md', 'nginx-settings.md', 'object-store.md', 'pages.md']
  .map((name) => readFileSync(join(projectRoot, 'docs', name), 'utf8'))
  .join('\n');

/** Each nginx block with the heading above it. */
const recipes = pages.split(/^#+ (?=\S)/m).flatMap((section) =>
  fencedBlocks(section)
    .filter(({ language }) => language === 'nginx')
    .map(({ text }) => ({ heading: section.split('\n', 1)[0] ?? '', text })),
);

/** The old location also serves the files, as that section says. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  'Migrate from secure_link': ['second-url'],
};

const SITE = `server {
  listen 8080;
  server_name files.example;
  include postern/auth-request.conf;
  location ^~ /download/ { include postern/protect.conf; }
  location ^~ /protected/ {
    include postern/internal.conf; alias /srv/files/;
  }
}`;

test('the pages have recipes', () => expect(recipes.length).toBeGreaterThanOrEqual(14));

describe('docs: nginx -t passes with each recipe, and the doctor finds nothing', () => {
  test.each(recipes)('$heading', async ({ heading, text }) => {
    const site = text.includes('server {') ? text : `${text}\n${SITE}`;
    expect(await diagnosed(site)).toEqual(EXPECTED[heading] ?? []);
  });
});
