import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { issueToken } from '../../support/postern.ts';
import type { BrokenSite, Doctored } from '../site/site.ts';

export interface Leak {
  readonly broken: BrokenSite;
  /** Files and links below the folder that contains `files/` and `static/`. */
  readonly prepare?: (folder: string, site: Doctored) => Promise<unknown>;
  /** A URL that opens the file without a token, or whether something else leaks. */
  readonly leak: string | ((site: Doctored) => Promise<boolean>);
  /** The one rule of `--config`, or a part of what it names as not checked. */
  readonly config: string | RegExp;
  /** The first finding of the live form. Absent: it finds nothing. */
  readonly live?: string;
}

export const FILE = 'postern-doctor/canary.txt';

/** A file in the protected folder, another than the canary. */
export const add = (name: string) => async (folder: string) => {
  const to = join(folder, 'files', name);
  await mkdir(dirname(to), { recursive: true });
  await copyFile(join(folder, 'files', FILE), to);
};

/** Another file in each call: a cache keeps what it has. */
let count = 0;
export async function opensAfterDownload(site: Doctored): Promise<boolean> {
  count += 1;
  await add(`${count}.txt`)(dirname(site.files));
  const path = `/download/${count}.txt`;
  const { url } = await issueToken(site.postern.api, { path });
  await get(site, url);
  return isOpen(site, path);
}

type Place = Pick<Doctored, 'url' | 'files'>;

export async function get({ url }: Place, path: string, headers: Record<string, string> = {}) {
  return fetch(new URL(path, url), { headers, redirect: 'manual' });
}

export async function isOpen(site: Place, path: string, headers?: Record<string, string>) {
  const canary = await readFile(join(site.files, FILE), 'utf8');
  return (await (await get(site, path, headers)).text()).includes(canary);
}
