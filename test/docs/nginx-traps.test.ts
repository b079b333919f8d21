import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RULES } from '../../doctor/config/diagnose.ts';
import { CHECKS } from '../../doctor/site/attack.ts';
import { projectRoot } from '../harness/paths.ts';
import { fencedBlocks } from './blocks.ts';
import { diagnosed } from './diagnose.ts';

const PAGES = ['nginx-traps.md', 'nginx-traps-clients.md', 'nginx-traps-closed.md'];
const sections = PAGES.flatMap((name) =>
  readFileSync(join(projectRoot, 'docs', name), 'utf8')
    .split(/^## /m)
    .slice(1),
);

/** The first nginx block of a section is the trap, the second is what to write instead. */
const traps = sections.map((text) => ({
  title: text.split('\n', 1)[0] ?? '',
  blocks: fencedBlocks(text).flatMap((block) => (block.language === 'nginx' ? [block.text] : [])),
  rules: named(text, 'rule'),
}));

function named(text: string, kind: 'rule' | 'check'): string[] {
  const line = new RegExp(`^Doctor ${kind}s?: (.*)$`, 'm').exec(text)?.[1] ?? '';
  return [...line.matchAll(/`([a-z-]+)`/g)].map(([, id = '']) => id);
}

const PUBLIC = 'location ^~ /download/ { include postern/protect.conf; }';
const INTERNAL = `location ^~ /protected/ {
  include postern/internal.conf; alias /srv/files/;
}`;

/** An example with the rest of its site: in place of `…`, or around what is for the server block. */
function siteOf(example: string): string {
  const rest = `
    listen 8080;
    server_name files.example;
    include postern/auth-request.conf;
    ${/(?:protect|x-accel)\.conf/.test(example) ? '' : PUBLIC}
    ${example.includes('location ^~ /protected/') ? '' : INTERNAL}`;
  if (example.includes('…')) return example.replace('…', rest);
  if (example.startsWith('upstream ')) return `${example}\nserver {${rest}\n}`;
  return `server {${rest}\n${example}\n}`;
}

const withExample = traps.filter(({ blocks }) => blocks.length > 0);

describe.each(withExample)('docs/nginx-traps*.md, $title', ({ blocks, rules }) => {
  const [first, ...others] = blocks;
  const right = rules.length > 0 ? others : blocks;

  if (first !== undefined && rules.length > 0) {
    test(`the doctor reports ${rules}`, async () => {
      expect(await diagnosed(siteOf(first))).toEqual(expect.arrayContaining(rules));
    });
  }

  if (right.length > 0) {
    test('the doctor finds nothing in what to write instead', async () => {
      for (const example of right) expect(await diagnosed(siteOf(example))).toEqual([]);
    });
  }
});

test('docs/nginx-traps*.md name each rule of the doctor, and no other', () => {
  const known = Object.keys(RULES).sort();
  expect([...new Set(traps.flatMap(({ rules }) => rules))].sort()).toEqual(known);
});

test('docs/nginx-traps*.md name only checks of the doctor that exist', () => {
  const known = Object.keys(CHECKS);
  for (const id of sections.flatMap((text) => named(text, 'check'))) expect(known).toContain(id);
});
