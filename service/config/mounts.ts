import { type Mount, mountId } from '../site/mount.ts';
import type { ConfigErrors } from './errors.ts';
import { defined, type EntryList, type Fields, readEntries, type SourcedValue } from './source.ts';
import { readStorage, type Secrets, type StorageSettings } from './storage.ts';
import { internalPrefix, listOf, publicPrefix, queryArgument, siteName, unseen } from './values.ts';

const MOUNT = {
  public: publicPrefix,
  internal: internalPrefix,
  site: siteName.optional(),
  path_argument: queryArgument.optional(),
};

export const MOUNT_FIELDS = [...Object.keys(MOUNT), 'pass_arguments', 'storage'];

function passArgumentsSchema(pathArgument: string | undefined) {
  const argument = queryArgument
    .refine(
      (name) => name !== pathArgument,
      'an argument other than path_argument, which Postern never passes on',
    )
    .refine(unseen(), 'each argument once');
  return { pass_arguments: listOf('query arguments', argument).default([]) };
}

/** A mount, and its object store if it has one. */
export type MountSettings = Mount & { readonly storage?: StorageSettings };

/** A mount, and the entry that configures it. */
interface Configured {
  readonly mount: MountSettings;
  readonly entry: Fields;
}

/** Every mount; undefined, with issues, if one of them is invalid or there is none. */
export function readMounts(
  sourced: SourcedValue | undefined,
  secrets: Secrets,
  errors: ConfigErrors,
): readonly MountSettings[] | undefined {
  const before = errors.count;
  const entries = readEntries(sourced, MOUNTS, errors);
  const mounts = entries.flatMap((entry) => readMount(entry, secrets, errors) ?? []);
  rejectConflicts(mounts);
  const isNew = unseen();
  for (const { mount, entry } of mounts) {
    if (isNew(mount.id)) continue;
    entry.add('public', 'each public prefix once for a site: an earlier mount has this one');
  }
  if (entries.length === 0 && errors.count === before) {
    const source = sourced ?? { field: 'POSTERN_MOUNTS' };
    errors.add(source, 'at least one mount, such as POSTERN_MOUNTS=/download/=/protected/');
  }
  return errors.count === before ? mounts.map(({ mount }) => mount) : undefined;
}

const MOUNTS: EntryList = {
  what: 'mounts',
  fields: MOUNT_FIELDS,
  /** `/download/=/protected/` or `files.example:/media/=/media-files/`. */
  text: {
    parse(text) {
      const [left = '', internal, ...more] = text.split('=');
      if (internal === undefined || more.length > 0) return undefined;
      const { prefix, ...site } = splitSite(left);
      return { public: prefix, internal, ...site };
    },
    expected:
      '<public prefix>=<internal prefix> with one =, such as /download/=/protected/; ' +
      'use the file for a prefix that contains = or a comma',
    isSecret: false,
  },
};

/** Splits `files.example:/media/` into its site and its prefix; without a site, only the prefix. */
export function splitSite(text: string): { site?: string; prefix: string } {
  const colon = text.startsWith('/') ? -1 : text.indexOf(':/');
  if (colon < 0) return { prefix: text };
  return { site: text.slice(0, colon), prefix: text.slice(colon + 1) };
}

/** One mount; undefined, with issues, if its prefixes or its site are invalid. */
function readMount(entry: Fields, secrets: Secrets, errors: ConfigErrors): Configured | undefined {
  const { public: prefix, internal, site, path_argument: pathArgument } = entry.read(MOUNT);
  const passArguments = entry.read(passArgumentsSchema(pathArgument)).pass_arguments ?? [];
  const sourced = entry.get('storage');
  const storage = sourced && readStorage(sourced, secrets, errors);
  if (sourced && passArguments.length > 0) {
    entry.add('pass_arguments', 'no value: the query of an object store is its signature');
  }
  if (prefix === undefined || internal === undefined) return undefined;
  if (entry.has('site') && site === undefined) return undefined;
  const id = mountId(site, prefix);
  const mount = {
    id,
    prefix,
    internal,
    passArguments,
    ...defined({ site, pathArgument, storage }),
  };
  return { mount, entry };
}

/** Whether both apply to the same site; undefined: every site. */
export function sitesOverlap(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined || a === b;
}

function rejectConflicts(mounts: readonly Configured[]): void {
  for (const conflict of [loop, nested, sharedStorage]) {
    for (const { mount, entry } of mounts) {
      for (const { mount: other } of mounts) {
        const expected = sitesOverlap(mount.site, other.site) && conflict(mount, other);
        if (expected) entry.add('internal', expected);
      }
    }
  }
}

/**
 * An internal prefix must neither be under a public prefix nor contain one: nginx would send its internal
 * redirect to the gate, which would redirect again.
 */
function loop({ internal }: Mount, { prefix }: Mount): string | undefined {
  const how = relation(internal, prefix);
  return (
    how &&
    `an internal prefix outside of every public prefix, such as /protected/: it ${how} ` +
      `the public prefix ${prefix}, so nginx would ask the gate again instead of sending the file`
  );
}

function relation(internal: string, prefix: string) {
  if (internal === prefix) return 'is the same as';
  if (internal.startsWith(prefix)) return 'is under';
  return prefix.startsWith(internal) ? 'contains' : undefined;
}

/**
 * An internal prefix must not be below another one, unless the public prefixes nest in the same way:
 * nginx serves `/p/sub/x` from the inner location, also for a token of the outer mount, whose client
 * may have no right to the inner one. The same internal prefix twice means the same files.
 */
function nested(inner: Mount, outer: Mount): string | undefined {
  if (relation(inner.internal, outer.internal) !== 'is under') return undefined;
  const rest = inner.internal.slice(outer.internal.length);
  // A path in an argument stays with the outer mount, even if an inner mount has that path.
  if (inner.prefix === outer.prefix + rest && outer.pathArgument === undefined) return undefined;
  return (
    `an internal prefix that is not below ${outer.internal}, the one of ${outer.prefix}: ` +
    `tokens for ${outer.prefix} would open files of ${inner.prefix}`
  );
}

/**
 * No other mount may share the internal prefix of an object store: `target` names files by their internal URI,
 * and a token of another mount must not open an object.
 */
function sharedStorage(mount: MountSettings, other: Mount): string | undefined {
  if (mount.storage === undefined || mount === other) return undefined;
  if (relation(mount.internal, other.internal) === undefined) return undefined;
  const expected = 'an internal prefix that no other mount has, contains or is below';
  return `${expected}: ${other.prefix} has ${other.internal}`;
}
