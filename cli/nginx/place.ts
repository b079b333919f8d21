import type { ConfigErrors } from '../../service/config/errors.ts';
import type { SourcedValue } from '../../service/config/source.ts';
import type { Site } from './sites.ts';
import { given, readFolder, readTarget } from './values.ts';

/** What serves an internal prefix. */
export type Place = { readonly folder: string } | { readonly url: string };

/** What an internal prefix of a site is served from. */
export type Places = (site: string, prefix: string) => Place;

interface Asked {
  readonly files: readonly string[];
  readonly proxyTarget: readonly string[];
}

type Read = (given: SourcedValue, text: string, faults: ConfigErrors) => Place | undefined;

/**
 * Reads `--files` and `--proxy-target`: `/srv/files`, `/protected/=/srv/files`, and
 * `files.example:/protected/=/srv/files` where sites differ.
 */
export function readPlaces(asked: Asked, sites: readonly Site[], faults: ConfigErrors): Places {
  const prefixes = [...new Set(sites.flatMap(({ internals }) => internals))];
  const own = sites.flatMap(({ name, internals }) => internals.map((one) => `${name}:${one}`));
  const keys = [...prefixes, ...own].sort((a, b) => b.length - a.length);
  const places = new Map<string, Place | undefined>();

  function read(option: string, text: string, example: string, make: Read): void {
    const value = given(option, text);
    const key = keys.find((one) => text.startsWith(`${one}=`));
    const at = key ?? prefixes[0] ?? '';
    if (key === undefined && prefixes.length > 1) {
      const which = prefixes.map((prefix) => `${prefix}=${example}`).join(' or ');
      faults.add(value, `an internal prefix before it: ${which}`);
    } else if (places.has(at)) {
      faults.add(value, `only one folder or URL for ${at}`);
    } else {
      places.set(at, make(value, key === undefined ? text : text.slice(key.length + 1), faults));
    }
  }
  for (const text of asked.files) read('--files', text, '/srv/files', readFiles);
  for (const text of asked.proxyTarget) read('--proxy-target', text, STORE, readProxied);

  const keyOf = (site: string, prefix: string) =>
    [`${site}:${prefix}`, prefix].find((key) => places.has(key));
  for (const prefix of prefixes) {
    const having = sites.filter(({ internals }) => internals.includes(prefix));
    if (having.every(({ name }) => keyOf(name, prefix) !== undefined)) continue;
    const example = prefixes.length > 1 ? `${prefix}=/srv/files` : '/srv/files';
    faults.add({ field: '--files' }, `the folder of the files of ${prefix}: --files ${example}`);
  }
  // Where there is none, a fault has been added, and nothing will be written.
  return (site, prefix) => places.get(keyOf(site, prefix) ?? '') ?? { folder: '' };
}

const STORE = 'https://bucket.store.example';

function readFiles(value: SourcedValue, text: string, faults: ConfigErrors): Place | undefined {
  const folder = readFolder(value, text, faults);
  return folder === undefined ? undefined : { folder };
}

function readProxied(value: SourcedValue, text: string, faults: ConfigErrors): Place | undefined {
  const url = readTarget(value, text, faults);
  return url === undefined ? undefined : { url };
}
