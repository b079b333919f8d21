import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diagnoseText } from '../../../doctor/config/diagnose.ts';
import { diskFiles, load } from '../../../doctor/config/load.ts';
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
  readonly proof?: string;
}

/** nginx with the standard site and its changes. */
export function started({ server = '', ...more }: Partial<SiteOptions>): Promise<Site> {
  const files = { 'a.txt': 'file a', '../www/index.html': 'the front page' };
  return siteForTest({ mode: 'auth_request', files, ...more, server: `${LOG}\n${server}` });
}

/** What `nginx -VT` prints for a site, read from the files. A test compares both. */
export async function dumpOf({ nginx }: Pick<Site, 'nginx'>): Promise<string> {
  const main = join(nginx.dir, 'nginx.conf');
  const { files } = load(diskFiles(main, await readFile(main, 'utf8')));
  const texts = await Promise.all(
    files.map(async (file) => `# configuration file ${file}:\n${await readFile(file, 'utf8')}\n`),
  );
  buildOfNginx ??= printed(['-V']);
  return texts.join('') + (await buildOfNginx);
}

/** What `nginx -V` prints. */
let buildOfNginx: Promise<string> | undefined;

/** What `nginx -VT` prints for a site: first the files, then its messages. */
export function realDumpOf({ nginx }: Pick<Site, 'nginx'>): Promise<string> {
  return printed(['-VT', ...nginxArgs(nginx.dir)]);
}

async function printed(args: string[]): Promise<string> {
  const tool = await findTool('nginx');
  const { ok, output } = await tryRun(tool.path, args, tool.env);
  if (!ok) throw new Error(output);
  return output;
}

export async function diagnosed(text: string, known: Known = {}): Promise<readonly Finding[]> {
  const nginx = await findTool('nginx');
  const report = await diagnoseText(text, '-', { nginx, ...known, json: true });
  const { findings } = JSON.parse(report.text);
  // The nginx of the tests has this one.
  return findings.filter(({ rule }: Finding) => rule !== 'known-hole');
}
