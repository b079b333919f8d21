import { z } from 'zod';
import { type Mount, mountId } from '../site/mount.ts';
import { isToken } from '../token/token.ts';
import { type StorageSettings, storage } from './object-store.ts';
import type { Add, Valid } from './values.ts';
import { defined, listOf, mapping, prefix, unseen } from './values.ts';

/** The prefix `/` contains every other prefix. */
const ASKS_AGAIN = 'nginx would ask the gate again instead of sending the file';

const publicPrefix = prefix('a public prefix, such as /download/')
  .refine(
    (path) => path !== '/',
    `a folder such as /download/: every internal prefix is under /, so ${ASKS_AGAIN}`,
  )
  .refine(
    (path) => !path.split('/').some((segment) => segment[0] === '~' && isToken(segment.slice(1))),
    'a public prefix without ~ and a token: requests carry their token in this form',
  );

const internalPrefix = prefix('an internal prefix, such as /protected/').refine(
  (path) => path !== '/',
  `a folder such as /protected/: every public prefix is under /, so ${ASKS_AGAIN}`,
);

const SITE =
  "a site as the first name in nginx's server_name, such as files.example: " +
  'no port, no regular expression, no dot at either end';

/** nginx's `$server_name` in lower case: a host name, or `_`, `*.example.com` and `mail.*`. */
export const siteName = z
  .string(SITE)
  .toLowerCase()
  .regex(/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?$/, SITE);

const ARGUMENT = "a query argument's name of letters, digits, _ and -, such as file";

/** The name of a query argument that nginx's `$arg_name` reads and clients do not percent-encode. */
const queryArgument = z
  .string(ARGUMENT)
  .refine((name) => name !== 'token', 'a name other than token: that argument holds the token')
  .regex(/^[A-Za-z0-9_-]+$/, ARGUMENT);

/** The fields of an entry, as docs/reference/configuration.md describes them. */
export const mountFields = {
  public: publicPrefix,
  internal: internalPrefix,
  site: siteName.exactOptional(),
  path_argument: queryArgument.exactOptional(),
  pass_arguments: listOf('query arguments', queryArgument).exactOptional(),
  storage: storage.exactOptional(),
};

const MISSING = 'at least one mount, such as POSTERN_MOUNTS=/download/=/protected/';
const OR_TEXT = ', or in POSTERN_MOUNTS <public prefix>=<internal prefix> with one =';

export const mountList = listOf('mounts', mapping(mountFields, OR_TEXT), MISSING).min(1, MISSING);

/** A mount, and its object store if it has one. */
export type MountSettings = Mount & { readonly storage?: StorageSettings };

type Entry = z.output<typeof mountList>[number];

/** An entry without its invalid values. */
export type MountEntry = Valid<Entry>;

export function toMount({ public: prefix, path_argument: pathArgument, ...entry }: Entry) {
  const { pass_arguments: passArguments = [], ...others } = entry;
  const id = mountId(entry.site, prefix);
  return { id, prefix, passArguments, ...others, ...defined({ pathArgument }) };
}

/** The entries of `/download/=/protected/,files.example:/media/=/media-files/`. An invalid one stays a text. */
export function mountsOfText(text: string): unknown[] {
  return text.split(',').map((part) => {
    const [left = '', internal, ...more] = part.trim().split('=');
    if (internal === undefined || more.length > 0) return part.trim();
    const { prefix, site } = splitSite(left);
    return { public: prefix, internal, ...(site !== undefined && { site }) };
  });
}

/** Splits `files.example:/media/` into its site and its prefix; without a site, only the prefix. */
export function splitSite(text: string): { site?: string; prefix: string } {
  const colon = text.startsWith('/') ? -1 : text.indexOf(':/');
  if (colon < 0) return { prefix: text };
  return { site: text.slice(0, colon), prefix: text.slice(colon + 1) };
}

/** Whether both apply to the same site; undefined: every site. */
export function sitesOverlap(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined || a === b;
}

export function checkMounts({ mounts = [] }: Valid<{ mounts: Entry[] }>, add: Add): void {
  const isNew = unseen();
  const complete = mounts.map((entry) => {
    const { public: prefix, internal } = entry ?? {};
    // An invalid site is not a mount of every site.
    if (prefix === undefined || internal === undefined || (entry && 'site' in entry && !entry.site))
      return undefined;
    return { ...entry, public: prefix, internal };
  });
  for (const [index, entry] of mounts.entries()) {
    if (entry === undefined) continue;
    checkArguments(entry, (field, expected) => add(['mounts', index, ...field], expected));
    const mount = complete[index];
    if (mount === undefined) continue;
    if (!isNew(mountId(mount.site, mount.public))) {
      const expected = 'each public prefix once for a site: an earlier mount has this one';
      add(['mounts', index, 'public'], expected);
    }
    for (const conflict of [loop, nested, sharedStorage]) {
      for (const other of complete) {
        if (other === undefined || !sitesOverlap(mount.site, other.site)) continue;
        const expected = conflict(mount, other);
        if (expected) add(['mounts', index, 'internal'], expected);
      }
    }
  }
}

function checkArguments(entry: MountEntry, add: Add): void {
  const isNew = unseen();
  for (const [index, name] of (entry.pass_arguments ?? []).entries()) {
    if (name === entry.path_argument) {
      const expected = 'an argument other than path_argument, which Postern never passes on';
      add(['pass_arguments', index], expected);
    } else if (!isNew(name)) add(['pass_arguments', index], 'each argument once');
  }
  if (entry.storage && entry.pass_arguments?.length) {
    add(['pass_arguments'], 'no value: the query of an object store is its signature');
  }
}

type Prefixes = MountEntry & Pick<Entry, 'public' | 'internal'>;

/**
 * An internal prefix must neither be under a public prefix nor contain one: nginx would send its internal
 * redirect to the gate, which would redirect again.
 */
function loop({ internal }: Prefixes, { public: prefix }: Prefixes): string | undefined {
  const how = relation(internal, prefix);
  return (
    how &&
    `an internal prefix outside of every public prefix, such as /protected/: it ${how} ` +
      `the public prefix ${prefix}, so ${ASKS_AGAIN}`
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
function nested(inner: Prefixes, outer: Prefixes): string | undefined {
  if (relation(inner.internal, outer.internal) !== 'is under') return undefined;
  const rest = inner.internal.slice(outer.internal.length);
  // A path in an argument stays with the outer mount, even if an inner mount has that path.
  if (inner.public === outer.public + rest && outer.path_argument === undefined) return undefined;
  return (
    `an internal prefix that is not below ${outer.internal}, the one of ${outer.public}: ` +
    `tokens for ${outer.public} would open files of ${inner.public}`
  );
}

/**
 * No other mount may share the internal prefix of an object store: `target` names files by their internal URI,
 * and a token of another mount must not open an object.
 */
function sharedStorage(mount: Prefixes, other: Prefixes): string | undefined {
  if (mount.storage === undefined || mount === other) return undefined;
  if (relation(mount.internal, other.internal) === undefined) return undefined;
  const expected = 'an internal prefix that no other mount has, contains or is below';
  return `${expected}: ${other.public} has ${other.internal}`;
}
