import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../../dev/paths.ts';
import { fencedBlocks } from './blocks.ts';
import { diagnosed } from './diagnose.ts';

const page = readFileSync(join(projectRoot, 'docs', 'nginx.md'), 'utf8');

/** Each nginx block with the heading above it. */
const recipes = page.split(/^#+ (?=\S)/m).flatMap((section) =>
  fencedBlocks(section)
    .filter(({ language }) => language === 'nginx')
    .map(({ text }) => ({ heading: section.split('\n', 1)[0] ?? '', text })),
);

/** The old location is a second way to the files, as that section says. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  'Migrate from secure_link': ['second-door'],
};

const SITE = `server {
  listen 8080;
  server_name files.example;
  include postern/auth-request.conf;
  location ^~ /download/ { include postern/protect.conf; }
  location ^~ /protected/ {
    include postern/internal.conf; include postern/headers.conf; alias /srv/files/;
  }
}`;

test('docs/nginx.md has recipes', () => expect(recipes.length).toBeGreaterThanOrEqual(14));

describe('docs/nginx.md: nginx -t passes with the recipe, and the doctor finds nothing', () => {
  test.each(recipes)('$heading', async ({ heading, text }) => {
    const site = text.includes('server {') ? text : `${text}\n${SITE}`;
    expect(await diagnosed(site)).toEqual(EXPECTED[heading] ?? []);
  });
});
