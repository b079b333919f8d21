import { firstWord } from './context.ts';
import { unclearFronts } from './rules/front.ts';
import { othersOf, unclear } from './rules/second-url.ts';
import { unclearLogs } from './rules/server.ts';
import type { SiteConfig } from './site.ts';

/** What no configuration of nginx shows. */
const NEVER =
  'proxies and caches in front of this nginx, hard links, bind mounts, the default root of nginx: run `postern doctor URL` too';

/** The parts of this site that the doctor could not check, and what it never checks. */
export function notChecked(site: SiteConfig): { readonly here: string[]; readonly all: string[] } {
  const { disk, internals, mounts, listen, version } = site;
  const folders = internals.flatMap((one) => firstWord(one, 'alias') ?? []);
  const absent = folders.filter((folder) => disk && disk.real(folder) === undefined);
  const here = new Set([
    ...othersOf(site).flatMap(unclear),
    ...unclearFronts(site),
    ...unclearLogs(site),
    ...absent.map((folder) => `symbolic links to ${folder}, which this user does not find`),
    ...(disk?.unseen ?? ['symbolic links: this is not the machine of this nginx']),
  ]);
  const unknown = [
    !mounts && 'the mounts (--mounts)',
    !listen && 'the address of the gate (POSTERN_LISTEN)',
    !version && 'the version of nginx (nginx -VT)',
  ];
  return { here: [...here], all: [...here, ...unknown.filter((one) => one !== false), NEVER] };
}
