import type { Faults } from '../../service/config/fault.ts';
import { given } from '../config.ts';
import type { NginxOptions } from './plan.ts';
import type { ServerPlan } from './sites.ts';
import { type FileSource, readFolder, readTarget } from './values.ts';

/** What serves an internal prefix of a site. */
export type FileSources = (site: string, prefix: string) => FileSource;

const STORAGE = 'https://bucket.store.example';

/**
 * Reads `--files` and `--proxy-target`: `/srv/files`, `/protected/=/srv/files`, and
 * `files.example:/protected/=/srv/files` if sites differ.
 */
export function readFileSources(
  { files, proxyTarget }: Pick<NginxOptions, 'files' | 'proxyTarget'>,
  sites: readonly ServerPlan[],
  faults: Faults,
): FileSources {
  const prefixes = [...new Set(sites.flatMap(({ internals }) => internals))];
  const own = sites.flatMap(({ name, internals }) => internals.map((one) => `${name}:${one}`));
  const keys = [...prefixes, ...own].sort((a, b) => b.length - a.length);
  const sources = new Map<string, FileSource | undefined>();

  function read(option: string, text: string, example: string, parse: typeof readFolder): void {
    const value = given(option, text);
    const key = keys.find((one) => text.startsWith(`${one}=`));
    const at = key ?? prefixes[0] ?? '';
    if (key === undefined && prefixes.length > 1) {
      const which = prefixes.map((prefix) => `${prefix}=${example}`).join(' or ');
      faults.add(value, `an internal prefix before it: ${which}`);
    } else if (sources.has(at)) {
      faults.add(value, `only one folder or URL for ${at}`);
    } else {
      sources.set(at, parse(value, key === undefined ? text : text.slice(key.length + 1), faults));
    }
  }
  for (const text of files) read('--files', text, '/srv/files', readFolder);
  for (const text of proxyTarget) read('--proxy-target', text, STORAGE, readTarget);

  const keyOf = (site: string, prefix: string) =>
    [`${site}:${prefix}`, prefix].find((key) => sources.has(key));
  for (const prefix of prefixes) {
    const having = sites.filter(({ internals }) => internals.includes(prefix));
    if (having.every(({ name }) => keyOf(name, prefix) !== undefined)) continue;
    const example = prefixes.length > 1 ? `${prefix}=/srv/files` : '/srv/files';
    faults.add({ field: '--files' }, `the folder of the files of ${prefix}: --files ${example}`);
  }
  // If there is none, an error was added, and nothing is written.
  return (site, prefix) => sources.get(keyOf(site, prefix) ?? '') ?? { folder: '' };
}
