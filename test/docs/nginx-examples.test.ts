import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { diagnoseText } from '../../doctor/config/diagnose.ts';
import { RULES } from '../../doctor/config/examine.ts';
import { CHECKS } from '../../doctor/site/attack.ts';
import type { Mount } from '../../service/paths/mount.ts';
import { completeConfig, nginxArgs, nginxFolder } from '../harness/nginx-conf.ts';
import { textOf } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { findTool } from '../harness/tools.ts';
import { fencedBlocks } from '../support/docs/blocks.ts';
import { mount } from '../support/postern.ts';

const LOG = 'access_log /var/log/nginx/access.log postern;';
const UPSTREAM = `upstream postern {
  server 127.0.0.1:7300 max_fails=3 fail_timeout=1s;
  keepalive 256;
}`;

/**
 * Adds what an example for the http block leaves out, runs `nginx -T` and gives the rules that the
 * doctor reports. nginx must accept the example without a warning.
 */
async function diagnosed(example: string): Promise<string[]> {
  const dir = await nginxFolder();
  try {
    await mkdir(join(dir, 'closed'));
    const [, mode = '700'] = /nginx-slices (\d+) www-data/.exec(example) ?? [];
    await chmod(join(dir, 'closed'), Number.parseInt(mode, 8));
    const own = [
      example.includes('include postern/http.conf;') ? '' : 'include postern/http.conf;',
      /access_log (?!off)/.test(example) ? '' : LOG,
      example.includes('upstream postern {') ? '' : UPSTREAM,
      example,
    ]
      .join('\n')
      .replace(/listen \d+;/g, 'listen 127.0.0.1:8080;')
      // nginx looks names up, and creates the folders of caches and sockets.
      .replaceAll('s3.eu-central-1.amazonaws.com', '127.0.0.1')
      .replaceAll('/run/nginx-slices/', `${dir}/closed/`)
      .replace(
        /\/(?:var\/(?:log|cache)\/nginx|run\/nginx-objects|run(?=\/postern-decisions))\//g,
        `${dir}/`,
      );
    // Tests give nginx a second log, whose format the doctor would report.
    const text = completeConfig(own, dir).replace(`access_log ${dir}/access.log;`, '');
    await writeFile(join(dir, 'nginx.conf'), text);
    const { path, env } = await findTool('nginx');
    const { ok, output } = await tryRun(path, ['-T', ...nginxArgs(dir)], env);
    expect(output).not.toMatch(/^\w+: \[(warn|emerg|crit|error)\] (?!conflicting server name)/m);
    expect(ok, output).toBe(true);
    const { findings } = JSON.parse(
      (
        await diagnoseText(output, '-', {
          json: true,
          mounts: mountsIn(example),
          nginx: { path, env },
        })
      ).text,
    );
    // This machine has no /srv/files, and no Postern runs.
    const rules = findings.map(({ rule }: { rule: string }) => rule);
    return rules.filter((rule: string) => rule !== 'unavailable');
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The mounts that an example needs: its public and its internal locations, in their order. */
function mountsIn(example: string): readonly Mount[] {
  const prefixes = (snippet: string) =>
    [...example.matchAll(/location (?:\^~ )?(\/\S+\/) \{([^{}]*)/g)].flatMap(
      ([, prefix = '', inner = '']) => (inner.includes(`include postern/${snippet}`) ? prefix : []),
    );
  const internals = prefixes('internal');
  const gates = [...prefixes('protect'), ...prefixes('x-accel')];
  return gates.map((prefix, at) => mount(prefix, internals[at] ?? internals[0] ?? '/protected/'));
}

const read = (name: string) => textOf(`docs/${name}`);
const sections = read('understand/nginx-traps.md').split(/^### /m).slice(1);

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
    ${/location \^~ \/protected\/|include postern\/internal/.test(example) ? '' : INTERNAL}`;
  if (example.includes('…')) return example.replace('…', rest);
  if (example.startsWith('upstream ')) return `${example}\nserver {${rest}\n}`;
  return `server {${rest}\n${example}\n}`;
}

const withExample = traps.filter(({ blocks }) => blocks.length > 0);

describe.each(withExample)('docs/understand/nginx-traps.md, $title', ({ blocks, rules }) => {
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

test('docs/understand/nginx-traps.md names each rule of the doctor, and no other', () => {
  const known = Object.keys(RULES).sort();
  expect([...new Set(traps.flatMap(({ rules }) => rules))].sort()).toEqual(known);
});

test('docs/understand/nginx-traps.md names only checks of the doctor that exist', () => {
  const known = Object.keys(CHECKS);
  for (const id of sections.flatMap((text) => named(text, 'check'))) expect(known).toContain(id);
});

const RECIPES = [
  'start/getting-started.md',
  'guides/nginx.md',
  'reference/nginx.md',
  'guides/object-store.md',
  'guides/pages.md',
  'operate/monitoring.md',
];

/** Each nginx block with the heading above it. */
const recipes = RECIPES.flatMap((page) =>
  read(page)
    .split(/^#+ (?=\S)/m)
    .flatMap((section) =>
      fencedBlocks(section)
        .filter(({ language }) => language === 'nginx')
        .map(({ text }) => ({ heading: section.split('\n', 1)[0] ?? '', text })),
    ),
);

/** Whole configurations, which no page shows. */
const FILES = ['sso.conf', 'object-cache.conf', 'slices.conf'].map((name) => ({
  heading: name,
  text: textOf(`nginx/examples/${name}`),
}));

test('the pages have recipes', () => expect(recipes.length).toBeGreaterThanOrEqual(14));

describe('docs: nginx -t passes with each recipe, and the doctor finds nothing', () => {
  test.each([...recipes, ...FILES])('$heading', async ({ text }) => {
    const isForServer = /^(?:location|include postern\/cors-headers)/.test(text);
    const added = isForServer ? siteOf(text) : `${text}\n${siteOf('')}`;
    const site = text.includes('server {') ? text : added;
    expect(await diagnosed(site)).toEqual([]);
  });
});
