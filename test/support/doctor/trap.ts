import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { diagnoseText } from '../../../doctor/config/diagnose.ts';
import type { Known } from '../../../doctor/config/site.ts';
import { nginxArgs } from '../../harness/nginx-conf.ts';
import { tryRun } from '../../harness/run.ts';
import { findTool } from '../../harness/tools.ts';
import { forTest } from '../for-test.ts';
import { mount } from '../postern.ts';
import { type Site, type SiteOptions, startSite } from '../site.ts';

/** The mounts of the standard site. */
export const MOUNTS = [mount('/download/', '/protected/')];

export const FILE = 'hello, this is file a\n';

/** The log of the standard site. nginx in tests has another one in the http block, which contains tokens. */
const LOG = 'access_log postern.log postern;';

export interface Finding {
  readonly verdict: 'failed' | 'question' | 'advice';
  readonly accepted?: string;
  readonly rule: string;
  readonly file: string;
  readonly line: number;
  readonly seen: string;
  readonly why: string;
  readonly fix: string;
}

type Setting = Partial<SiteOptions>;

/** nginx with the standard site and its changes. */
export function started(options: Setting): Promise<Site> {
  const site = startSite({
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
  return forTest(site);
}

/** What `nginx -VT` prints for a site: first the files, then its messages. */
export async function dumpOf({ nginx }: Pick<Site, 'nginx'>): Promise<string> {
  const tool = await findTool('nginx');
  const { ok, output } = await tryRun(tool.path, ['-VT', ...nginxArgs(nginx.dir)], tool.env);
  if (!ok) throw new Error(output);
  return output;
}

export function diagnosed(text: string, known: Known = {}): readonly Finding[] {
  const { findings } = JSON.parse(diagnoseText(text, '-', { ...known, json: true }).text);
  // The nginx of the tests has this one.
  return findings.filter(({ rule }: Finding) => rule !== 'known-hole');
}

/** What a client does, and what it gets. */
type Ask = (site: Site) => Promise<unknown>;

export interface Trap {
  /** The findings for the broken site: `rule: a part of the line`. */
  readonly found: readonly string[];
  /** What both sites have. */
  readonly both?: Setting;
  readonly broken: Setting;
  readonly fixed?: Setting;
  readonly ask?: Ask;
  /** Shows that the broken site leaks, or fails, and that the fixed one does not. */
  readonly sees?: readonly [broken: unknown, fixed: unknown];
}

/** Breaks each site, sees it leak and the doctor report it, fixes it, and sees neither. */
export function testTraps(traps: Readonly<Record<string, Trap>>): void {
  test.each(Object.entries(traps))('doctor --config reports: %s', async (_, trap) => {
    const { found, both = {}, broken, fixed, ask, sees = [] } = trap;
    const site = await started({ ...both, ...broken });
    expect(await ask?.(site)).toEqual(sees[0]);
    const findings = diagnosed(await dumpOf(site), { mounts: MOUNTS });
    expect(await Promise.all(findings.map(shownLine))).toEqual(
      found.map((line) => {
        const [rule = '', ...at] = line.split(': ');
        return [rule, expect.stringContaining(at.join(': ').replaceAll('$files', site.files))];
      }),
    );
    for (const { why, fix } of findings) expect([why, fix]).not.toContain('');
    const whole = await started({ ...both, ...fixed });
    expect(await ask?.(whole)).toEqual(sees[1]);
    expect(diagnosed(await dumpOf(whole), { mounts: MOUNTS })).toEqual([]);
  });
}

/** The line of the file that a finding names. */
async function shownLine({ rule, file, line }: Finding): Promise<readonly [string, string]> {
  const text = await readFile(file, 'utf8');
  return [rule, text.split('\n')[line - 1] ?? 'no such line'];
}

/** A request without a token: the text of a 200, or the status of another response without the file. */
export function get(target: string, headers: Record<string, string> = {}): Ask {
  return async (site) => {
    const { status, text } = await site.ask('GET', target, headers);
    return status === 200 || text.includes(FILE) ? text : status;
  };
}

/** The same with a token for the file. */
export function withToken(path: string): Ask {
  return async (site) => get(await urlOf(site, path))(site);
}

export async function urlOf(site: Site, path: string, more = {}): Promise<string> {
  const request = path.endsWith('/') ? { prefix: path } : { path };
  return (await site.issue({ ...request, ...more })).url;
}
