import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { diagnoseText } from '../../doctor/config/diagnose.ts';
import { program } from '../cli/nginx/machine.ts';
import { postern } from '../cli/postern.ts';
import { nginxArgs } from '../harness/nginx-conf.ts';
import { projectRoot } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { findTool } from '../harness/tools.ts';
import { waitFor } from '../harness/wait.ts';
import { issueToken, mount } from '../support/postern.ts';
import { dumpOf, type Finding } from './config/trap.ts';
import { isOpen, OTHERS } from './leaks/others.ts';
import { SECOND_URLS } from './leaks/second-urls.ts';
import { CANARY, type Doctored, siteToAttack } from './site/site.ts';

// Each leak is shown on nginx. Then both forms of the doctor look at it, and the fix is made exactly as it is printed.

const LEAKS = { ...OTHERS, ...SECOND_URLS };
const LOG = 'access_log postern.log postern;';
const MOUNTS = [mount('/download/', '/protected/')];

async function diagnosis(site: Doctored) {
  const dump = await dumpOf(site);
  const { findings } = JSON.parse(diagnoseText(dump, '-', { mounts: MOUNTS, json: true }).text);
  const { text } = diagnoseText(dump, '-', { mounts: MOUNTS });
  return { findings: findings as Finding[], text, last: text.trimEnd().split('\n').at(-1) };
}

test.concurrent.for(Object.entries(LEAKS))('doctor, a leak: %s', async ([, leak], context) => {
  const { server = '' } = leak.broken;
  const own = server.includes('access_log') ? server : `${LOG}\n${server}`;
  const site = await siteToAttack({ ...leak.broken, server: own }, context.onTestFinished);
  await leak.prepare?.(dirname(site.files), site);
  const leaks = () => (typeof leak.leak === 'string' ? isOpen(site, leak.leak) : leak.leak(site));
  // nginx stores a response after the client has got it.
  await waitFor(leaks, { what: 'the leak' });

  const log = join(site.nginx.dir, server.includes('own.log') ? 'own.log' : 'postern.log');
  const { verdicts, stdout } = await site.examine('--decision-ttl', '0', '--access-log', log);
  const failed = Object.keys(verdicts).filter((id) => verdicts[id] === 'failed');
  expect(failed[0], stdout).toBe(leak.live);
  expect(JSON.parse(stdout).not_checked).not.toEqual([]);

  const { findings, text, last } = await diagnosis(site);
  expect(last).toMatch(/^not checked: .*caches/);
  if (leak.config instanceof RegExp) {
    expect([findings, text]).toEqual([[], expect.stringMatching(/^– nothing found/)]);
    expect(last).toMatch(leak.config);
    return;
  }
  expect(
    findings.map(({ rule }) => rule),
    text,
  ).toEqual([leak.config]);
  await Promise.all(findings.map(apply));
  const { path, env } = await findTool('nginx');
  const { ok, output } = await tryRun(path, ['-t', ...nginxArgs(site.nginx.dir)], env);
  expect(ok, `${findings[0]?.fix}\n${output}`).toBe(true);
  await site.nginx.reload();
  expect(await leaks(), findings[0]?.fix).toBe(false);
  // The fix does not close the site.
  const { url } = await issueToken(site.postern.api, { path: CANARY });
  expect(await isOpen(site, url)).toBe(true);
  expect((await diagnosis(site)).findings).toEqual([]);
});

test('doctor: how many leaks each form finds', () => {
  const all = Object.values(LEAKS);
  const found = all.filter(({ config }) => typeof config === 'string');
  const live = all.filter(({ live }) => live !== undefined);
  expect([all.length, found.length, live.length]).toEqual([31, 28, 19]);
  const page = readFileSync(join(projectRoot, 'docs/operate/doctor.md'), 'utf8');
  expect(page.replaceAll('\n', ' ')).toContain(
    'builds 31 leaks in nginx: `--config` finds 28 and names the other 3, the form below finds 19,',
  );
});

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
  const inside = /^in .+ \((\/[^()]+):(\d+)\): (.+?)(?: and delete there: (.+))?$/.exec(fix);
  const [, instead] = /^instead of this line: (.+?)(?: \([^()]*\))?$/.exec(fix) ?? [];
  const path = inside?.[1] ?? file;
  const lines = (await readFile(path, 'utf8')).split('\n');
  const at = Number(inside?.[2] ?? line) - 1;
  const [before, here, after] = [lines.slice(0, at), lines[at] ?? '', lines.slice(at + 1)];
  if (inside !== null) {
    const [, , , added, removed = ''] = inside;
    expect(here).toMatch(/\{/);
    let rest = [here.replace('{', () => `{ ${added}`), ...after].join('\n');
    for (const one of removed.match(/[^;]+;/g) ?? []) {
      expect(rest).toContain(one.trim());
      rest = rest.replace(one.trim(), '');
    }
    await writeFile(path, [...before, rest].join('\n'));
  } else if (instead !== undefined) {
    await writeFile(path, [...before, instead, ...after].join('\n'));
  } else if (fix.startsWith('delete this line')) {
    await writeFile(path, [...before, ...after].join('\n'));
  } else {
    expect(fix).toMatch(/^delete this block/);
    const end = after.findIndex((one) => one.trim() === '}');
    await writeFile(path, [...before, ...after.slice(end + 1)].join('\n'));
  }
}
