import { given } from '../../common/config.ts';
import type { Config } from '../../service/config/config.ts';
import type { ConfigErrors } from '../../service/config/errors.ts';
import { siteName } from '../../service/config/mounts.ts';
import type { Mount } from '../../service/paths/mount.ts';
import { storageUrl } from '../../service/s3/sign.ts';
import { type FileSource, filesFolder, read, targetUrl } from './values.ts';

export type ServerPlan = ReturnType<typeof planSites>[number];

/** The locations of a site. `*` in a name is special in an `include`. */
export function siteFile({ name }: ServerPlan): string {
  return `postern/sites/${name.replace('*', '+')}.conf`;
}

/** The server block of a site. */
export function serverFile({ name }: ServerPlan): string {
  return `conf.d/postern-${name.replace('*', '+')}.conf`;
}

/** The socket between the two server blocks of a site. */
export function slicesSocket({ name }: ServerPlan, folder: string): string {
  return `unix:${folder}/${name.replace('*', '+')}.sock`;
}

/** One for each site of a mount or `--server-name`, or else one for all names. A mount without a site is in every site. */
export function planSites(
  mounts: readonly Mount[],
  serverNames: readonly string[],
  errors: ConfigErrors,
) {
  const named = serverNames.map((text) =>
    text.split(',').flatMap((name) => read(given('--server-name', name), serverName, errors) ?? []),
  );
  const all = named.flat();
  const sites = new Map(named.map((names) => [names[0], names]));
  for (const site of new Set(mounts.flatMap((mount) => mount.site ?? []))) {
    const value = given('the site of a mount', site);
    const name = read(value, serverName, errors);
    if (name === undefined || sites.has(name)) continue;
    if (all.includes(name)) errors.add(value, 'the first name of a --server-name');
    sites.set(name, [name]);
  }
  if (serverNames.length === 0 && mounts.every(({ site }) => site === undefined)) {
    sites.set('_', ['_']);
  }
  return [...sites.values()].map((names) => {
    const [name = ''] = names;
    const own = mounts.filter(({ site }) => site === undefined || site === name);
    return {
      /** The first name of its server block. For Postern this is the name of the site. */
      name,
      names,
      publics: [...new Set(own.map(({ prefix }) => prefix))],
      internals: [...new Set(own.map(({ internal }) => internal))],
    };
  });
}

const MAX_LENGTH = 253;

/** The first name of a server block, `$server_name`. Stricter than the site of a mount. */
const serverName = siteName
  .refine((name) => !/^\*.*\*$/.test(name), 'a name with at most one *: *.files.example or files.*')
  .max(MAX_LENGTH, `a name of at most ${MAX_LENGTH} characters`);

export interface StorageSource {
  /** The URL of the objects, with a slash at the end. */
  readonly url: URL;
  /** The name of its upstream block. */
  readonly upstream: string;
}

/** The object stores of mounts. Mounts whose storage has the same host share an upstream. */
export function storagesOf(mounts: Config['mounts']) {
  const upstreams = new Map<string, StorageSource>();
  const sources = mounts.flatMap(({ site, internal, storage }) => {
    if (storage === undefined) return [];
    const url = storageUrl(storage);
    const known = upstreams.get(url.origin);
    const source = { url, upstream: known?.upstream ?? `postern_storage_${upstreams.size + 1}` };
    if (known === undefined) upstreams.set(url.origin, source);
    return [{ site, internal, source }];
  });
  return {
    /** One for each upstream block. */
    all: [...upstreams.values()],
    find: (name: string, prefix: string) =>
      sources.find(
        ({ site, internal }) => internal === prefix && (site === undefined || site === name),
      )?.source,
  };
}

const STORAGE = 'https://bucket.store.example';

/**
 * Reads `--files` and `--proxy-target`: `/srv/files`, `/protected/=/srv/files`, and
 * `files.example:/protected/=/srv/files` if sites differ. A mount with an object store needs none.
 *
 * @returns what serves an internal prefix of a site
 */
export function readFileSources(
  { files = [], proxyTarget = [] }: Readonly<Record<string, readonly string[] | undefined>>,
  plans: readonly ServerPlan[],
  storages: ReturnType<typeof storagesOf>,
  errors: ConfigErrors,
): (site: string, prefix: string) => FileSource | StorageSource {
  const needed = plans.flatMap(({ name, internals }) =>
    internals.flatMap((prefix) => (storages.find(name, prefix) ? [] : [{ name, prefix }])),
  );
  const prefixes = [...new Set(needed.map(({ prefix }) => prefix))];
  const own = needed.map(({ name, prefix }) => `${name}:${prefix}`);
  const keys = [...prefixes, ...own].sort((a, b) => b.length - a.length);
  const sources = new Map<string, FileSource | undefined>();

  function add(option: string, text: string, example: string, schema: typeof filesFolder) {
    const value = given(option, text);
    const key = keys.find((one) => text.startsWith(`${one}=`));
    const at = key ?? prefixes[0] ?? '';
    if (prefixes.length === 0) {
      errors.add(value, 'no value: each mount has a storage with its files');
    } else if (key === undefined && prefixes.length > 1) {
      const which = prefixes.map((prefix) => `${prefix}=${example}`).join(' or ');
      errors.add(value, `an internal prefix before it: ${which}`);
    } else if (sources.has(at)) {
      errors.add(value, `only one folder or URL for ${at}`);
    } else {
      const own = key === undefined ? text : text.slice(key.length + 1);
      sources.set(at, read({ ...value, value: own }, schema, errors));
    }
  }
  for (const text of files) add('--files', text, '/srv/files', filesFolder);
  for (const text of proxyTarget) add('--proxy-target', text, STORAGE, targetUrl);

  const keyOf = (site: string, prefix: string) =>
    [`${site}:${prefix}`, prefix].find((key) => sources.has(key));
  for (const prefix of prefixes) {
    const having = needed.filter((one) => one.prefix === prefix);
    if (having.every(({ name }) => keyOf(name, prefix) !== undefined)) continue;
    const example = prefixes.length > 1 ? `${prefix}=/srv/files` : '/srv/files';
    errors.add({ field: '--files' }, `the folder of the files of ${prefix}: --files ${example}`);
  }
  // If there is none, an error was added, and nothing is written.
  return (site, prefix) =>
    storages.find(site, prefix) ?? sources.get(keyOf(site, prefix) ?? '') ?? { folder: '' };
}
