import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { diagnoseText } from '../../doctor/config/diagnose.ts';
import { textOf } from '../harness/paths.ts';
import { findTool } from '../harness/tools.ts';
import { waitFor } from '../harness/wait.ts';
import { program } from '../support/cli/machine.ts';
import { postern } from '../support/cli/postern.ts';
import { isOpen, LEAKS } from '../support/doctor/others.ts';
import { CANARY, type Doctored, siteToAttack } from '../support/doctor/site.ts';
import { diagnosed, dumpOf, type Finding, MOUNTS } from '../support/doctor/trap.ts';
import { issueToken, listening } from '../support/postern.ts';

// Each leak is shown on nginx. Then both forms of the doctor look at it, and the fix is made exactly as it is printed.

const LOG = 'access_log postern.log postern;';
const KNOWN = { mounts: MOUNTS, nginx: await findTool('nginx') };

/** The first finding of the form with a URL. */
async function firstFailed(site: Doctored): Promise<string | undefined> {
  const { verdicts, stdout } = await site.examine('--decision-ttl', '0');
  expect(JSON.parse(stdout).not_checked).not.toEqual([]);
  return Object.keys(verdicts).find((id) => verdicts[id] === 'failed');
}

test.concurrent.for(Object.entries(LEAKS))('doctor, a leak: %s', async ([, leak], context) => {
  const server = `${LOG}\n${leak.broken.server ?? ''}`;
  const site = await siteToAttack({ ...leak.broken, server }, context.onTestFinished);
  await leak.prepare?.(site);
  const leaks = () => leak.leak(site);
  // nginx stores a response after the client has got it.
  await waitFor(leaks, { what: 'the leak' });

  expect(await firstFailed(site)).toBe(leak.live);

  const findings = await diagnosed(await dumpOf(site), KNOWN);
  expect(findings.map(({ rule }) => rule).join(' ')).toBe(leak.config);
  expect(new Set(findings.map(({ verdict }) => verdict))).toEqual(new Set(['failed']));
  await repair(site, findings);
  expect(await leaks(), findings[0]?.fix).toBe(false);
  // The fix does not close the site.
  const { url } = await issueToken(site.postern.api, { path: CANARY });
  expect(await isOpen(site, url)).toBe(true);
  expect(await diagnosed(await dumpOf(site), KNOWN)).toEqual([]);
});

interface Row {
  readonly title: string;
  readonly expected: string;
  readonly target: string;
  readonly headers: Record<string, string>;
  /** The first finding of the form with a URL. */
  readonly live: string;
  readonly links: readonly (readonly [path: string, to: string])[];
  /** A fix does not change the response for these. */
  readonly kept: readonly string[];
  readonly site: { readonly http: string; readonly server: string; readonly only?: string };
}

/** The configurations of a file in test/fixtures. */
function rowsOf(name: string): readonly (readonly [string, Row])[] {
  const text = textOf(`test/fixtures/${name}`);
  return text
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const [head = '', ...lines] = section.trimEnd().split('\n');
      const fields = head.split('|').map((field) => field.trim());
      const [title = '', expected = '', target = '', header = '', live = ''] = fields;
      const [, key, value = ''] = /^([\w-]+): (.*)$/.exec(header) ?? [];
      const after = (word: string) =>
        lines.flatMap((line) => (line.startsWith(`${word}: `) ? line.slice(word.length + 2) : []));
      const [http, only] = [after('http').join('\n'), after('only').join('\n')];
      const server = lines.filter((line) => !/^(http|kept|link|only): /.test(line)).join('\n');
      const links = lines.flatMap((line) => {
        const [, path = '', to] = /^link: (.*) -> (.*)$/.exec(line) ?? [];
        return to === undefined ? [] : [[path, to] as const];
      });
      const whole = (part: string) =>
        part.replaceAll('$top/', '$files/../').replaceAll('$top', '$files/..');
      const site = {
        http: whole(http),
        server: `${LOG}\n${whole(server)}`,
        ...(only !== '' && { only: whole(only) }),
      };
      return [
        title,
        {
          ...{ title, expected, target, live, links, site },
          headers: key ? { [key]: value } : {},
          kept: after('kept'),
        },
      ] as const;
    });
}

const ACCEPTED = /✓ accepted: .*\n.*the reason/;
const PRINTED = /^(in .+ \(\/|instead of (?!this location)|delete )/;
const NONE = { http: '', server: LOG };
const SECRET = 'a protected file, as long as a canary';

async function startRow({ site, links }: Row, onFinished: (stop: () => Promise<void>) => void) {
  const files = {
    'a.txt': SECRET,
    't/a.txt': SECRET,
    'secret.pdf': SECRET,
    '../www/download/a.txt': SECRET,
    '../www/open/download/a.txt': SECRET,
    '../www/index.html': 'a page',
    '../www/ssi.html': '<!--#include virtual="/kept/a.txt" -->',
    '../www/inner.html': '<!--#include virtual="/protected/a.txt" -->',
  };
  const started = await siteToAttack({ ...site, files }, onFinished);
  const top = dirname(started.files);
  // An application. A number at the start of the URL is the status of its response; without one, the status is 404.
  const app = await listening(
    ({ url = '' }, response) => response.writeHead(Number.parseInt(url.slice(1), 10) || 404).end(),
    join(started.nginx.dir, 'status.sock'),
  );
  onFinished(app.stop);
  for (const [path, to] of links) {
    await mkdir(dirname(join(top, path)), { recursive: true });
    await symlink(to, join(top, path));
  }
  return started;
}

/** Whether the target of a row gets the file, with a token if it begins with `+`. `!`: whether it does not. */
async function isServed(
  { target, headers }: Pick<Row, 'target' | 'headers'>,
  site: Doctored,
): Promise<boolean> {
  const [, not = '', withToken = '', path = ''] = /^(!?)(\+?)(.*)$/.exec(target) ?? [];
  const url = withToken ? (await site.issue({ path })).url : path;
  const { text } = await site.ask('GET', url, { Host: 'files.example', ...headers });
  return text.includes(SECRET) !== Boolean(not);
}

test.concurrent.for(rowsOf('leaks.conf'))(
  'doctor --config is not green, and nginx sends the file: %s',
  async ([, row], context) => {
    const isRejected = row.target === '--';
    const site = await startRow(isRejected ? { ...row, site: NONE } : row, context.onTestFinished);
    const leaks = () => isServed(row, site);
    if (!row.target.startsWith('-')) expect(await leaks(), site.files).toBe(true);

    if (row.live !== '') expect(await firstFailed(site)).toBe(row.live);

    const own = isRejected ? row.site.server.replaceAll('$files', site.files) : '';
    const dump = (await dumpOf(site)).replace('server_name files.example;', (all) => all + own);
    const { ok, text } = await diagnoseText(dump, '-', KNOWN);
    const findings = (await diagnosed(dump, KNOWN)).filter(({ verdict }) => verdict !== 'advice');
    const [rule = '', verdict] = row.expected.split(' ');
    expect([ok, findings.map((one) => [one.rule, one.verdict])], text).toEqual([
      false,
      expect.arrayContaining([[rule, verdict]]),
    ]);
    if (isRejected) return;
    if (verdict === 'question') {
      for (const one of findings) await accept(one);
      const after = await diagnoseText(await dumpOf(site), '-', KNOWN);
      expect([after.ok, after.text]).toEqual([true, expect.stringMatching(ACCEPTED)]);
    }
    // The other fixes say what to find out, so nobody can make them as printed.
    if (!findings.every(({ fix }) => PRINTED.test(fix))) return;
    // A URL is closed, and the next run names another one, until it is green.
    const proofs = new Set<string>();
    const kept = () =>
      Promise.all(
        row.kept.map(async (path) => (await site.ask('GET', path, { Host: 'files.example' })).text),
      );
    const before = await kept();
    let rest = findings;
    for (let round = 0; round < 4 && rest.length > 0; round += 1) {
      await repair(site, rest);
      for (const { proof } of rest) if (proof) proofs.add(proof);
      rest = (await diagnosed(await dumpOf(site), KNOWN)).filter(
        ({ verdict }) => verdict !== 'advice',
      );
      expect(rest.filter(({ proof = '' }) => proofs.has(proof))).toEqual([]);
    }
    if (row.target === '-' && row.live !== '') expect(await firstFailed(site)).toBe(undefined);
    if (row.target !== '-') expect(await leaks(), findings[0]?.fix).toBe(false);
    // The fix does not close the site.
    expect(await isServed({ target: '+/download/a.txt', headers: {} }, site)).toBe(true);
    expect(await kept()).toEqual(before);
    expect(before.join()).not.toContain('<title>');
    expect(rest).toEqual([]);
  },
);

test.concurrent.for(rowsOf('clean.conf'))(
  'doctor --config is green: %s',
  async ([, row], context) => {
    const site = await startRow(row, context.onTestFinished);
    const { ok, text } = await diagnoseText(await dumpOf(site), '-', KNOWN);
    expect([ok, text]).toEqual([true, expect.stringMatching(/^✓ nothing found/m)]);
    if (row.target !== '') expect(await isServed(row, site)).toBe(false);
  },
);

/** Writes the comment with which an operator accepts a question. */
async function accept({ file, line }: Finding): Promise<void> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  const at = lines[line - 1];
  if (!at?.includes('accept')) lines[line - 1] = `${at} # postern-doctor: accept the reason`;
  await writeFile(file, lines.join('\n'));
}

/** Makes the changes that the fixes print, from the last line to the first, because a change moves the lines below it. */
async function repair({ nginx }: Doctored, findings: readonly Finding[]): Promise<void> {
  // Two findings can have the same fix.
  const fixes = new Map(findings.map((one) => [`${one.file}:${one.line} ${one.fix}`, one]));
  for (const one of [...fixes.values()].toSorted((a, b) => b.line - a.line)) await apply(one);
  await nginx.reload().catch((error) => expect.fail(`${findings[0]?.fix}\n${error.message}`));
}

/** Makes the change that a fix prints. */
async function apply({ file, line, fix }: Finding): Promise<void> {
  const [, command] = /^(postern .*)$/.exec(fix) ?? [];
  if (command !== undefined) {
    const dir = dirname(dirname(file));
    const { path, env } = await findTool('nginx');
    await program(join(dir, 'bin/nginx'), `exec '${path}' -e ${dir}/error.log -p ${dir} "$@"`);
    const more = { env: { ...env, PATH: `${dir}/bin:${process.env.PATH}` } };
    const { code, stderr } = await postern(command.split(' ').slice(1), dir, more);
    expect([code, stderr]).toEqual([0, '']);
    return;
  }
  const part = /^instead of (.+) \((\/[^()]+):(\d+)\): (.+)$/.exec(fix);
  if (part !== null) {
    const [, from = '', place = '', at, to = ''] = part;
    const all = (await readFile(place, 'utf8')).split('\n');
    const whole = all[Number(at) - 1] ?? '';
    // Another finding can have the same change.
    if (!whole.includes(to)) expect(whole).toContain(from);
    all[Number(at) - 1] = whole.replace(from, () => to);
    await writeFile(place, all.join('\n'));
    return;
  }
  const inside = /^in .+ \((\/[^()]+):(\d+)\): (.+?)(?: instead of: (.+))?$/.exec(fix);
  const [, instead] = /^instead of this line: (.+?)(?: \([^()]*\))?$/.exec(fix) ?? [];
  const path = inside?.[1] ?? file;
  const lines = (await readFile(path, 'utf8')).split('\n');
  const at = Number(inside?.[2] ?? line) - 1;
  const [before, here, after] = [lines.slice(0, at), lines[at] ?? '', lines.slice(at + 1)];
  if (inside !== null) {
    const [, , , added, removed = ''] = inside;
    expect(here).toMatch(/\{/);
    let rest = [here.replace('{', () => `{ ${added}`), ...after].join('\n');
    // The file can have other spaces, and quotes that nginx does not need.
    for (const one of removed.match(/(?:"[^"]*"|[^;{}"])+(?:\{[^}]*\}|;)/g) ?? []) {
      const words = one.replaceAll('"', '').match(/[\w/.-]+|[^\w/.\s-]/g) ?? [];
      const text = words.map((word) => word.replace(/\W/g, '\\$&')).join('[\\s"]*');
      expect(rest).toMatch(new RegExp(text));
      rest = rest.replace(new RegExp(text), '');
    }
    await writeFile(path, [...before, rest].join('\n'));
  } else if (instead !== undefined) {
    await writeFile(path, [...before, instead, ...after].join('\n'));
  } else if (fix.startsWith('delete this line')) {
    await writeFile(path, [...before, ...after].join('\n'));
  } else {
    const [, place = file, from = line] = /^delete .*\((\/[^()]+):(\d+)\)$/.exec(fix) ?? [];
    if (!fix.endsWith(')')) expect(fix).toMatch(/^delete this block/);
    const all = (await readFile(place, 'utf8')).split('\n');
    const start = Number(from) - 1;
    let depth = 0;
    const end = all.findIndex((one, index) => {
      if (index < start) return false;
      depth += one.split('{').length - one.split('}').length;
      return depth <= 0;
    });
    await writeFile(place, [...all.slice(0, start), ...all.slice(end + 1)].join('\n'));
  }
}
