import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { diagnoseText } from '../../../doctor/config/diagnose.ts';
import type { Mount } from '../../../service/site/mount.ts';
import { nginxArgs } from '../../harness/nginx-conf.ts';
import { tryRun } from '../../harness/run.ts';
import { findTool } from '../../harness/tools.ts';
import { type Site, type SiteOptions, startSite } from '../../support/site.ts';

export const FILE = 'hello, this is file a\n';

/** The log of the standard site. nginx in tests has another one in the http block, which contains tokens. */
const LOG = 'access_log postern.log postern;';

export interface Finding {
  readonly rule: string;
  readonly file: string;
  readonly line: number;
  readonly seen: string;
  readonly why: string;
  readonly fix: string;
}

/** A change in the copy of a snippet: the first text becomes the second. */
export type Edit = readonly [snippet: string, from: string | RegExp, to: string];

export interface Setting extends Partial<SiteOptions> {
  readonly edits?: readonly Edit[];
}

/** nginx with the standard site and its changes. */
export async function started({ edits = [], ...options }: Setting): Promise<Site> {
  const site = await startSite({
    mode: 'auth_request',
    ...options,
    files: {
      'a.txt': FILE,
      'b.txt': 'file b',
      'sub/c.txt': 'file c',
      '../www/index.html': 'the front page',
      ...options.files,
    },
    server: options.server?.includes('access_log')
      ? options.server
      : `${LOG}\n${options.server ?? ''}`,
  });
  onTestFinished(site.stop);
  for (const [snippet, from, to] of edits) {
    const path = join(site.nginx.dir, 'postern', `${snippet}.conf`);
    const text = await readFile(path, 'utf8');
    const edited = text.replace(from, () => to);
    if (edited === text) throw new Error(`${snippet}.conf has no ${from}`);
    await writeFile(path, edited);
  }
  if (edits.length > 0) await site.nginx.reload();
  return site;
}

/** What `nginx -VT` prints for a site: first the files, then its messages. */
export async function dumpOf({ nginx }: Pick<Site, 'nginx'>): Promise<string> {
  const tool = await findTool('nginx');
  const { ok, output } = await tryRun(tool.path, ['-VT', ...nginxArgs(nginx.dir)], tool.env);
  if (!ok) throw new Error(output);
  return output;
}

export function diagnosed(text: string, mounts?: readonly Mount[]): readonly Finding[] {
  const options = { json: true, ...(mounts && { mounts }) };
  return JSON.parse(diagnoseText(text, '-', options).text).findings;
}

export interface Trap {
  /** The findings for the broken site, each with a part of the line that it names. */
  readonly found: readonly (readonly [rule: string, at: string])[];
  readonly broken: Setting;
  /** Shows that the broken site leaks, or fails. */
  readonly proof: (site: Site) => Promise<void>;
  readonly fixed: Setting;
  /** Shows that the fixed one does not. */
  readonly shut: (site: Site) => Promise<void>;
  readonly mounts?: readonly Mount[];
}

/** Breaks a site, sees it leak and the doctor report it, fixes it, and sees neither. */
export async function check({ found, broken, proof, fixed, shut, mounts }: Trap): Promise<void> {
  const site = await started(broken);
  await proof(site);
  const findings = diagnosed(await dumpOf(site), mounts);
  const lines = await Promise.all(findings.map(shownLine));
  expect(lines).toEqual(
    found.map(([rule, at]) => [rule, expect.stringContaining(place(at, site))]),
  );
  for (const { why, fix } of findings) expect([why, fix]).not.toContain('');
  const whole = await started(fixed);
  await shut(whole);
  expect(diagnosed(await dumpOf(whole), mounts)).toEqual([]);
}

/** The line of the file that a finding names. */
async function shownLine({ rule, file, line }: Finding): Promise<readonly [string, string]> {
  const text = await readFile(file, 'utf8');
  return [rule, text.split('\n')[line - 1] ?? 'no such line'];
}

function place(at: string, site: Site): string {
  return at.replaceAll('$files', site.files);
}

/** A request without a token, or with the token of a URL. */
export async function answer(
  site: Site,
  target: string,
  headers: Record<string, string> = {},
): Promise<readonly [number, string]> {
  const { status, text } = await site.ask('GET', target, headers);
  return [status, text];
}
