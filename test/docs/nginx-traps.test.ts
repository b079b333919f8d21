import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { diagnoseText } from '../../cli/doctor-config.ts';
import { RULES } from '../../cli/nginx-config/rules.ts';
import { checks } from '../../cli/site/checks.ts';
import { completeConfig, nginxArgs, nginxFolder } from '../../dev/nginx-conf.ts';
import { projectRoot } from '../../dev/paths.ts';
import { tryRun } from '../../dev/run.ts';
import { findTool } from '../../dev/tools.ts';
import { fencedBlocks } from './blocks.ts';

const page = readFileSync(join(projectRoot, 'docs', 'nginx-traps.md'), 'utf8');

/** A section: the first nginx block is the trap, the second is what to write instead. */
const traps = page
  .split(/^### /m)
  .slice(1)
  .map((text) => ({
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
  include postern/internal.conf; include postern/headers.conf; alias /srv/files/;
}`;

/** The site around an example for the server block; an example with its own server block is the site. */
function siteOf(example: string): string {
  const http = example.includes('include postern/http.conf;') ? '' : 'include postern/http.conf;';
  const upstream = example.includes('upstream postern')
    ? ''
    : 'upstream postern { server 127.0.0.1:7300; keepalive 256; }';
  if (example.includes('server {')) return `${http}\n${upstream}\n${example}`;
  const log = example.includes('access_log') ? '' : 'access_log postern.log postern;';
  return `${http}\n${upstream}
    server {
      listen 8080;
      server_name files.example;
      ${log}
      include postern/auth-request.conf;
      ${example}
      ${example.includes('location ^~ /download/') || example.includes('protect.conf') ? '' : PUBLIC}
      ${example.includes('location ^~ /protected/') ? '' : INTERNAL}
    }`;
}

/** The rules that the doctor reports for what `nginx -T` prints; nginx must accept it. */
async function diagnosed(example: string): Promise<string[]> {
  const dir = await nginxFolder();
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const own = siteOf(example)
    .replaceAll('listen 8080;', 'listen 127.0.0.1:8080;')
    .replaceAll('/var/log/nginx/', `${dir}/`);
  // Tests give nginx a second log, whose format the doctor would report.
  const text = completeConfig(own, dir).replace(`access_log ${dir}/access.log;`, '');
  await writeFile(join(dir, 'nginx.conf'), text);
  const { path, env } = await findTool('nginx');
  const { ok, output } = await tryRun(path, ['-T', ...nginxArgs(dir)], env);
  expect(ok, output).toBe(true);
  const { findings } = JSON.parse(diagnoseText(output, '-', { json: true }).text);
  return findings.map(({ rule }: { rule: string }) => rule);
}

const withExample = traps.filter(({ blocks }) => blocks.length > 0);

describe.each(withExample)('docs/nginx-traps.md, $title', ({ blocks, rules }) => {
  const [first, ...others] = blocks;
  const right = rules.length > 0 ? others : blocks;

  if (first !== undefined && rules.length > 0) {
    test(`the doctor reports ${rules}`, async () => {
      expect(await diagnosed(first)).toEqual(expect.arrayContaining(rules));
    });
  }

  if (right.length > 0) {
    test('the doctor finds nothing in what to write instead', async () => {
      for (const example of right) expect(await diagnosed(example)).toEqual([]);
    });
  }
});

test('docs/nginx-traps.md names each rule of the doctor, and no other', () => {
  const known = RULES.map(({ id }) => id).sort();
  expect([...new Set(traps.flatMap(({ rules }) => rules))].sort()).toEqual(known);
});

test('docs/nginx-traps.md names only checks of the doctor that exist', () => {
  const known = checks.map(({ id }) => id);
  for (const text of page.split(/^### /m)) {
    for (const id of named(text, 'check')) expect(known).toContain(id);
  }
});
