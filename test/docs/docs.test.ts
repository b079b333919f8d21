import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RULES } from '../../doctor/config/examine.ts';
import { CHECKS } from '../../doctor/site/attack.ts';
import {
  API_VARIABLES,
  CONFIG_VARIABLE,
  SETTINGS,
  variableOf,
} from '../../service/config/settings.ts';
import { DENY_CODES } from '../../service/decide/decision.ts';
import { GRANT_FIELDS } from '../../service/token/grant-fields.ts';
import { projectRoot, textOf } from '../harness/paths.ts';
import { linesOf } from '../support/fixtures.ts';

const within = (folder: string, ending: string) =>
  readdirSync(join(projectRoot, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));

const docs = readdirSync(join(projectRoot, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => join('docs', name));
const packages = readdirSync(join(projectRoot, 'integrations')).flatMap((name) =>
  within(join('integrations', name), '.md'),
);
const pages = [...within('.', '.md'), ...within('test', '.md'), ...docs, ...packages];
const snippets = within('nginx/snippets', '.conf');

/** GitHub's anchor of a heading. */
function anchor(heading: string): string {
  const words = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '');
  return words.trim().replace(/\s/g, '-');
}

/** Of each heading outside a code block. A repeated one gets a number. */
function anchors(page: string): string[] {
  const text = page.replace(/^ *```[\s\S]*?^ *```$/gm, '');
  const seen = new Map<string, number>();
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => {
    const name = anchor(heading);
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return count === 0 ? name : `${name}-${count}`;
  });
}

const MAX_CELL_LENGTH = 120;
/** Old or literary words. */
const AVOIDED = /\b(?:whoever|whom|anew|mend(?:s|ed)?|gladly)\b/gi;

describe.each(pages)('%s', (page) => {
  const text = textOf(page);

  test('each link points to a file and a heading that exist', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
    for (const [link, file = '', fragment] of links) {
      const target = file === '' ? page : join(dirname(page), file);
      expect(existsSync(join(projectRoot, target)), `${page}: ${link}`).toBe(true);
      if (fragment !== undefined) expect(anchors(textOf(target)), link).toContain(fragment);
    }
  });

  test('names only files that exist', () => {
    const named = text.matchAll(/`((?:service|cli|dev|bench|test|nginx|docs)\/[\w./-]*)(\*?)/g);
    for (const [, file = '', rest] of named) {
      if (rest === '') expect(existsSync(join(projectRoot, file)), file).toBe(true);
      else expect(within(dirname(file), '.ts').some((name) => name.startsWith(file))).toBe(true);
    }
  });

  test('has no comment after a setting, which systemd and Docker read as part of the value', () => {
    expect(text.match(/^POSTERN_[A-Z_]+=.* #.*$/gm) ?? []).toEqual([]);
  });

  // The changelog also names variables that were removed.
  test.skipIf(page === 'CHANGELOG.md')('names only variables that exist', () => {
    const own = page.startsWith('integrations/laravel/')
      ? textOf('integrations/laravel/config/postern.php').match(/\bPOSTERN_[A-Z_]+/g)
      : [];
    const known = [CONFIG_VARIABLE, ...SETTINGS.map(variableOf), ...API_VARIABLES, ...(own ?? [])];
    // Kubernetes and Docker inject these.
    const foreign = /^POSTERN_(SERVICE|PORT)/;
    const named = [...text.matchAll(/\bPOSTERN_[A-Z_]*[A-Z]/g)].map(([name]) => name);
    for (const name of named) if (!foreign.test(name)) expect(known).toContain(name);
  });

  test(`has only table cells of one sentence, with at most ${MAX_CELL_LENGTH} characters`, () => {
    const prose = text.replace(/^ *```[\s\S]*?^ *```$/gm, '');
    const rows = prose.split('\n').filter((line) => line.startsWith('|'));
    // A cell as it is displayed: a link is its text.
    const shown = (cell: string) => cell.replace(/\]\([^)]*\)/g, ']').trim();
    const cells = rows.flatMap((row) => row.split(/(?<!\\)\|/).map(shown));
    expect(cells.filter((cell) => cell.length > MAX_CELL_LENGTH)).toEqual([]);
    expect(cells.filter((cell) => /[.?!] +["`*[]?[A-Z]/.test(cell))).toEqual([]);
  });

  test('has none of the words to avoid', () => expect(text.match(AVOIDED) ?? []).toEqual([]));
});

test.each(docs)('%s says below its title who needs it', (page) =>
  expect(textOf(page)).toMatch(/^# .+\n\nYou need this if .+\n/),
);

/** Variables that can change, so the page does not name them. */
const INTERNAL = new Set(
  `began decided decision denied first from_socket host html index keep not_kept other outer_code outer_id outer_subject page page_cookie page_cookie_2 post preflight public released request_id retry_after scratch side signed sliced started uncached untyped`
    .split(/\s+/)
    .map((name) => `$postern_${name}`),
);

describe('docs/reference/nginx.md', () => {
  const text = textOf('docs/reference/nginx.md');

  test.each(snippets)('has %s', (file) => {
    expect(text).toContain(`| \`${relative('nginx/snippets', file)}\` |`);
  });

  test('has each variable of the snippets', () => {
    const all =
      snippets
        .map(textOf)
        .join('\n')
        .match(/\$postern_[a-z0-9_]+/g) ?? [];
    const own = all.filter((name) => !/_once$|_[a-z]$/.test(name) && !INTERNAL.has(name));
    for (const name of new Set(own)) expect(text).toContain(`\`${name}\``);
    for (const name of INTERNAL) expect(all, 'a variable that no snippet has').toContain(name);
  });

  test('has each code of a denial that nginx itself writes', () => {
    const codes = textOf('nginx/snippets/denials.conf').matchAll(
      /set \$postern_(?:page|reason) ([a-z_]+);/g,
    );
    for (const [, code] of codes) expect(text).toMatch(`| \`${code}\` |`);
  });

  test('has each location of the snippets', () => {
    const all = snippets.map(textOf).join('\n');
    const locations = [...all.matchAll(/^ *location (?:= |\^~ )?([/@]\S+) \{/gm)].map(
      ([, path]) => path,
    );
    expect(locations.length).toBeGreaterThan(5);
    for (const path of locations) expect(text).toContain(`${path}\``);
  });
});

describe.each(docs.filter((page) => page.includes('/nginx')))('%s', (page) => {
  test('names only variables that the snippets have', () => {
    const all = snippets.map(textOf).join('\n');
    for (const name of textOf(page).match(/\$postern_[a-z0-9]+[a-z0-9_]*/g) ?? []) {
      expect(all).toContain(name);
    }
  });
});

describe('docs/operate/monitoring.md', () => {
  const text = textOf('docs/operate/monitoring.md');

  test('names only log lines that the service writes', () => {
    const sources = readdirSync(join(projectRoot, 'service'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => textOf(join('service', name)))
      .join('\n');
    const section = text.split('### Other lines')[1]?.split('###')[0] ?? '';
    const lines = [...section.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, line = '']) => line),
    );
    expect(lines.length).toBeGreaterThan(8);
    for (const line of lines) {
      // An ellipsis stands for the rest of a line.
      const written = line.replace(/^…|…$/g, '').trim();
      // The store and the keys of an issuer are named by the error.
      const [name] = written.split(' is unavailable');
      expect(sources.includes(name ?? ''), line).toBe(true);
    }
  });

  test('has each field of a decision', () => {
    const fields = textOf('service/gate/decision-log.ts').match(/^ {4}(\w+): (?=.*,$)/gm) ?? [];
    expect(fields.length).toBeGreaterThan(8);
    for (const field of fields) expect(text).toContain(`\`${field.trim().replace(':', '')}\``);
  });
});

test('CONTRIBUTING.md names each folder of tests, unless the code has a folder of that name', () => {
  const section = textOf('CONTRIBUTING.md').split('## Find the test')[1]?.split('\n## ')[0] ?? '';
  const folders = readdirSync(join(projectRoot, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const isCode = (name: string) =>
    existsSync(join(projectRoot, name)) || existsSync(join(projectRoot, 'service', name));
  const unknown = folders.filter((name) => !isCode(name) && !section.includes(`\`${name}/\``));
  expect(unknown).toEqual([]);
});

test('docs/operate/monitoring.md has each field and action of the audit log', () => {
  const section =
    textOf('docs/operate/monitoring.md').split('### API actions')[1]?.split('###')[0] ?? '';
  const [, names = '', fields = ''] =
    /type ActionName = (.*);[\s\S]*interface AuditFields \{([\s\S]*?)\n\}/.exec(
      textOf('service/api/audit.ts'),
    ) ?? [];
  const actions = [...names.matchAll(/'(\w+)'/g)].map(([, name]) => `token.${name}`);
  const noted = [...fields.matchAll(/^ {2}readonly (\w+)/gm)].map(([, name]) => name);
  const [, line = ''] = textOf('service/api/audit.ts').split('function lineOf');
  const added = [...line.matchAll(/^ {4}(\w+)(?=: |,$)/gm)].map(([, name]) => name);
  expect([actions.length, noted.length, added.length].every((count) => count > 5)).toBe(true);
  for (const name of [...actions, 'request.refused', 'request.failed', ...noted, ...added]) {
    expect(section).toContain(`\`${name}\``);
  }
});

describe('codes and endpoints', () => {
  const codes = [...textOf('service/problem.ts').matchAll(/^ {2}([a-z_]+): (\d{3}),$/gm)];
  const http = textOf('docs/reference/http.md');

  test.each(codes.map(([, code = '', status = '']) => [code, status]))(
    '%s is %s',
    (code, status) => {
      expect(http).toMatch(new RegExp(`^\\| \`${code}\` \\|.*\\b${status}\\b`, 'm'));
    },
  );

  test('docs/reference/http.md lists the codes of the gate, and no others', () => {
    const decided = [...DENY_CODES, 'confirmed'];
    const section = http.split('\n### Decisions\n')[1]?.split('\n#')[0] ?? '';
    const listed = section.match(/(?<=^\| `)[a-z_]+(?=` \| \d{3})/gm);
    expect(listed?.length).toBeGreaterThan(3);
    expect(listed).toEqual(decided);
  });

  test('docs/reference/http.md has each field of a request', () => {
    for (const field of Object.keys(GRANT_FIELDS)) expect(http).toContain(`\`${field}\``);
  });

  test('docs/reference/http.md has each header that nginx and the gate exchange', () => {
    const gate = http.toLowerCase();
    const names = textOf('service/gate/headers.ts').matchAll(/^ {2}\w+: '([\w-]+)',$/gm);
    for (const [, name = ''] of names) expect(gate).toContain(name.toLowerCase());
  });

  test('docs/reference/http.md has each header that nginx sends to Postern', () => {
    const asking = ['gate', 'auth-request', 'x-accel'].map((name) =>
      textOf(`nginx/snippets/${name}.conf`),
    );
    const headers = [...asking.join('\n').matchAll(/(?:^ *|; )proxy_set_header (\S+) [^"p]/gm)];
    expect(headers.length).toBeGreaterThan(10);
    for (const [, name] of headers) expect(http).toContain(`\`${name}\``);
  });
});

test('test/README.md promises no more tests than there are', () => {
  const page = textOf('test/README.md');
  const promised = (row: string) =>
    Number(new RegExp(`^\\| ${row}.*?\\| (\\d+)`, 'm').exec(page)?.[1]);
  const hostile = ['uris', 'paths', 'bodies'].flatMap((name) => linesOf(`hostile-${name}.txt`));
  const mutants =
    textOf('test/harness/mutants.ts')
      .split('const MUTANTS')[1]
      ?.match(/^ {2}\[/gm) ?? [];
  for (const [row, count] of [
    ['requests through nginx', within('test/nginx', '.test.ts').length],
    ['hostile URIs', hostile.length],
    ['\\[configurations of nginx', Object.keys(RULES).length],
    ['\\[attacks on a running site', Object.keys(CHECKS).length],
    ['lines of the deciding code', mutants.length],
  ] as const) {
    expect(promised(row), row).toBeGreaterThan(0);
    expect(promised(row), row).toBeLessThanOrEqual(count);
  }
});

/** README.md, SECURITY.md and docs/ together. Lower it when a page becomes shorter; never raise it. */
const MAX_WORDS = 35_000;
test(`README.md, SECURITY.md and docs/ have at most ${MAX_WORDS} words together`, () => {
  const texts = ['README.md', 'SECURITY.md', ...docs].map(textOf);
  const words = texts.flatMap((text) => text.split(/\s+/).filter((word) => word !== ''));
  expect(words.length).toBeLessThanOrEqual(MAX_WORDS);
});
