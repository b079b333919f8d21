import { diagnoseText } from '../../../doctor/config/diagnose.ts';
import type { Known } from '../../../doctor/config/site.ts';
import { nginxArgs } from '../../harness/nginx-conf.ts';
import { tryRun } from '../../harness/run.ts';
import { findTool } from '../../harness/tools.ts';
import { mount } from '../postern.ts';
import { type Site, type SiteOptions, siteForTest } from '../site.ts';

/** The mounts of the standard site. */
export const MOUNTS = [mount('/download/', '/protected/')];

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

/** nginx with the standard site and its changes. */
export function started({ server = '', ...more }: Partial<SiteOptions>): Promise<Site> {
  const files = { 'a.txt': 'file a', '../www/index.html': 'the front page' };
  return siteForTest({ mode: 'auth_request', files, ...more, server: `${LOG}\n${server}` });
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
