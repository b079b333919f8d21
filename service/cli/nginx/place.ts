import type { Faults } from '../../config/fault.ts';
import type { Mount } from '../../domain/mount.ts';
import { readFolder } from './folder.ts';
import { given } from './given.ts';
import { readTarget } from './target.ts';

/** What serves an internal prefix. */
export type Place = { readonly folder: string } | { readonly url: string };

export interface Places {
  /** What an internal prefix of a site is served from; undefined, with a fault, if nothing says. */
  of(site: string, prefix: string): Place | undefined;
}

interface Asked {
  readonly files: readonly string[];
  readonly proxyTarget: readonly string[];
}

/**
 * Reads `--files` and `--proxy-target`: `/srv/files`, `/protected/=/srv/files`, and
 * `files.example:/protected/=/srv/files` where sites differ.
 */
export function readPlaces(
  { files, proxyTarget }: Asked,
  mounts: readonly Mount[],
  faults: Faults,
) {
  const prefixes = [...new Set(mounts.map(({ internal }) => internal))];
  const keys = [
    ...prefixes,
    ...mounts.flatMap(({ site, internal }) => (site === undefined ? [] : [`${site}:${internal}`])),
  ];
  const places = new Map<string, Place | undefined>();

  function read(option: string, text: string, what: string, make: typeof readPlace): void {
    const value = given(option, text);
    const key = keys.filter((one) => text.startsWith(`${one}=`)).sort(byLength)[0];
    if (key === undefined && prefixes.length > 1) {
      const which = prefixes.map((prefix) => `${prefix}=${what}`).join(' or ');
      faults.add(value, `which internal prefix it is for: ${which}`);
      return;
    }
    const at = key ?? (prefixes[0] as string);
    const place = make(option, text.slice(key === undefined ? 0 : key.length + 1), value, faults);
    if (places.has(at)) faults.add(value, `one folder or URL for ${at}, and not another before`);
    places.set(at, place);
  }
  for (const text of files) read('--files', text, '/srv/files', readPlace);
  for (const text of proxyTarget) read('--proxy-target', text, 'https://store.example', readPlace);

  const missing = new Set<string>();
  return {
    of(site: string, prefix: string): Place | undefined {
      const at = [`${site}:${prefix}`, prefix].find((key) => places.has(key));
      if (at !== undefined) return places.get(at);
      if (!missing.has(prefix)) {
        missing.add(prefix);
        const example = prefixes.length > 1 ? `${prefix}=/srv/files` : '/srv/files';
        faults.add(
          { field: '--files' },
          `where the files of ${prefix} lie, such as --files ${example}`,
        );
      }
      return undefined;
    },
  };
}

function readPlace(option: string, text: string, value: ReturnType<typeof given>, faults: Faults) {
  if (option === '--files') {
    const folder = readFolder(value, text, faults);
    return folder === undefined ? undefined : { folder };
  }
  const url = readTarget(value, text, faults);
  return url === undefined ? undefined : { url };
}

function byLength(a: string, b: string): number {
  return b.length - a.length;
}
