import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../../dev/paths.ts';
import {
  API_VARIABLES,
  CONFIG_VARIABLE,
  SETTINGS,
  variableOf,
} from '../../service/config/names.ts';

const read = (name: string) => readFileSync(join(projectRoot, name), 'utf8');
const within = (folder: string, ending: string) =>
  readdirSync(join(projectRoot, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));

const pages = [...within('.', '.md'), ...within('docs', '.md')];
const snippets = within('nginx/snippets', '.conf');

/** GitHub's anchor of a heading. */
function anchor(heading: string): string {
  const words = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '');
  return words.trim().replace(/\s/g, '-');
}

function anchors(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchor(heading));
}

describe.each(pages)('%s', (page) => {
  const text = read(page);

  test('links lead somewhere', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
    for (const [link, file = '', fragment] of links) {
      const target = file === '' ? page : join(dirname(page), file);
      expect(existsSync(join(projectRoot, target)), `${page}: ${link}`).toBe(true);
      if (fragment !== undefined) expect(anchors(read(target)), link).toContain(fragment);
    }
  });

  test('names no variable that there is not', () => {
    const known = [CONFIG_VARIABLE, ...SETTINGS.map(variableOf), ...API_VARIABLES];
    // Injected by others, and told apart from ours.
    const foreign = /^POSTERN_(SERVICE|PORT)/;
    const named = [...text.matchAll(/\bPOSTERN_[A-Z_]*[A-Z]/g)].map(([name]) => name);
    for (const name of named) if (!foreign.test(name)) expect(known).toContain(name);
  });
});

describe('docs/nginx.md', () => {
  const text = read('docs/nginx.md');

  test.each(snippets)('has %s', (file) => {
    expect(text).toContain(`| \`${relative('nginx/snippets', file)}\` |`);
  });

  test('has each variable of the snippets', () => {
    const all =
      snippets
        .map(read)
        .join('\n')
        .match(/\$postern_[a-z0-9_]+/g) ?? [];
    const own = all.filter((name) => !/_once$|_[a-z]$/.test(name));
    for (const name of new Set(own)) expect(text).toContain(`\`${name}\``);
  });

  test('names no variable that there is not', () => {
    const all = snippets.map(read).join('\n');
    for (const name of text.match(/\$postern_[a-z0-9_]+/g) ?? []) expect(all).toContain(name);
  });
});

describe('codes and endpoints', () => {
  const codes = [...read('service/http/problem.ts').matchAll(/^ {2}([a-z_]+): (\d{3}),$/gm)];
  const http = read('docs/http.md');

  test.each(codes.map(([, code = '', status = '']) => [code, status]))(
    '%s is %s',
    (code, status) => {
      expect(http).toMatch(new RegExp(`^\\| \`${code}\` \\|.*\\b${status}\\b`, 'm'));
    },
  );

  test('docs/getting-started.md lists the codes of the gate, and no others', () => {
    const decided = read('service/domain/decision.ts').match(/(?<=^ {2}\| ')[a-z_]+(?=';?$)/gm);
    const listed = read('docs/getting-started.md').match(/(?<=^\| `)[a-z_]+(?=` \| \d{3})/gm);
    expect(listed?.length).toBeGreaterThan(3);
    expect(listed).toEqual(decided);
  });

  test('docs/http.md has each endpoint', () => {
    const routes = read('service/api.ts').matchAll(/api\.(get|post|patch|delete)\('([^']+)'/g);
    for (const [, method = '', path = ''] of routes) {
      const shown = `${method.toUpperCase()} ${path.replace(':id', '{id}')}`;
      expect(http).toContain(`\`${shown}`);
    }
  });

  test('docs/http.md has each field of a request', () => {
    const schema = /grantRequest = z\.strictObject\(\{([^}]+)\}/.exec(
      read('service/http/schema.ts'),
    );
    for (const field of schema?.[1]?.match(/(?<=^ {2})[a-z_]+(?=:)/gm) ?? []) {
      expect(http).toContain(`\`${field}\``);
    }
  });

  test('docs/http.md has each header that nginx and the gate exchange', () => {
    const names = read('service/http/headers.ts').matchAll(/^ {2}\w+: '([\w-]+)',$/gm);
    for (const [, name = ''] of names) expect(http.toLowerCase()).toContain(name.toLowerCase());
  });
});
