import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { type Mount, mountId } from '../paths/mount.ts';
import { CREDENTIALS, readCredentials } from '../s3/credentials.ts';
import { bucketHostError } from '../s3/sign.ts';
import { isToken } from '../token/token.ts';
import { outside, readText } from './files.ts';
import {
  type Add,
  camelCased,
  HOST_NAME,
  listOf,
  mapping,
  matching,
  oneOf,
  origin,
  PLACE,
  parsed,
  prefix,
  unseen,
  type Valid,
  WORD,
  wholeNumber,
  withChecks,
} from './values.ts';

const ENDPOINT =
  'the origin of the storage, without user, path and query, such as https://s3.eu-central-1.amazonaws.com';

/** The address of a storage. Plain HTTP is for a storage in the same network. */
const endpoint = origin(ENDPOINT).refine((text) => {
  // A URL may have a host with braces or a semicolon, which nginx would read as its configuration.
  const { hostname } = new URL(text);
  return HOST_NAME.test(hostname) || isIPv6(hostname.slice(1, -1));
}, ENDPOINT);

/** A word cannot be a path: a relative one begins with a dot. */
const credentials = parsed(CREDENTIALS, (text, report) => {
  if (text !== 'environment' && !/^\.{0,2}\//.test(text)) return undefined;
  const from = text === 'environment' ? outside.env : readText(text, report);
  const found = from === undefined ? undefined : readCredentials(from);
  return typeof found === 'string' ? report(found) : found;
});

const storageFields = mapping({
  type: z.literal('s3', 's3, the only type of storage').meta(WORD),
  endpoint,
  region: matching(
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
    'the region of the bucket, such as eu-central-1, us-east-1 for MinIO, or auto for R2',
  ),
  bucket: matching(
    /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/,
    'the name of a bucket: 3 to 63 letters, digits or . _ -, such as my-media',
  ),
  // The start of each key of a mount.
  prefix: prefix(
    'the first part of the keys, such as videos/',
    (text) => `/${text}`,
    'after a slash, it',
  ).default(''),
  style: oneOf('path', 'virtual-host').default('path'),
  credentials,
});

/** The object store of a mount. The credentials are secrets: never log them. */
const storage = withChecks(storageFields, checkStorage);

export type StorageSettings = z.output<typeof storage>;

type StorageFields = Valid<z.output<typeof storageFields>>;

function checkStorage({ style, bucket, endpoint }: StorageFields, add: Add): void {
  const problem = style === 'virtual-host' && bucketHostError(bucket, endpoint);
  if (problem) add(['style'], `path: ${problem}`);
}

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
  .regex(/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?$/, SITE)
  .meta(PLACE);

const ARGUMENT = "a query argument's name of letters, digits, _ and -, such as file";

/** The name of a query argument that nginx's `$arg_name` reads and clients do not percent-encode. */
const queryArgument = z
  .string(ARGUMENT)
  .refine((name) => name !== 'token', 'a name other than token: that argument holds the token')
  .regex(/^[A-Za-z0-9_-]+$/, ARGUMENT)
  .meta(WORD);

const MISSING = 'at least one mount, such as POSTERN_MOUNTS=/download/=/protected/';

const mount = mapping(
  {
    public: publicPrefix,
    internal: internalPrefix,
    site: siteName.exactOptional(),
    path_argument: queryArgument.exactOptional(),
    pass_arguments: listOf('query arguments', queryArgument).exactOptional(),
    max_age: wholeNumber('seconds', 1, 86_400).exactOptional(),
    download_time: wholeNumber('seconds', 1, 604_800).exactOptional(),
    storage: storage.exactOptional(),
  },
  'in POSTERN_MOUNTS <public prefix>=<internal prefix> with one =; in the file ',
);

export const mountList = listOf('mounts', mount, MISSING).min(1, MISSING);

export type MountSettings = Mount & { readonly storage?: StorageSettings };

type Entry = z.output<typeof mount>;

export function toMount({ public: prefix, ...entry }: Entry) {
  return { id: mountId(entry.site, prefix), prefix, passArguments: [], ...camelCased(entry) };
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

type ValidEntry = Valid<Entry>;
type Complete = ValidEntry & Pick<Entry, 'public' | 'internal'>;

/** Whether an entry can be compared with others. An invalid site is not a mount of every site. */
function isComplete(entry: ValidEntry | undefined): entry is Complete {
  return Boolean(entry?.public && entry.internal && (entry.site || !('site' in entry)));
}

export function checkMounts({ mounts = [] }: Valid<{ mounts: Entry[] }>, add: Add): void {
  const isNew = unseen();
  const complete = mounts.filter(isComplete);
  for (const [index, entry] of mounts.entries()) {
    if (entry === undefined) continue;
    const report: Add = (path, expected) => add(['mounts', index, ...path], expected);
    checkArguments(entry, report);
    if (!isComplete(entry)) continue;
    if (!isNew(mountId(entry.site, entry.public))) {
      report(['public'], 'each public prefix once for a site: an earlier mount has this one');
    }
    const others = complete.filter(({ site }) => sitesOverlap(entry.site, site));
    for (const conflict of [loop, nested, sharedStorage]) {
      for (const other of others) {
        const expected = conflict(entry, other);
        if (expected) report(['internal'], expected);
      }
    }
  }
}

function checkArguments(entry: ValidEntry, add: Add): void {
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

/** An internal prefix must not overlap a public one: nginx would send its redirect to the gate, which redirects again. */
function loop({ internal }: Complete, { public: prefix }: Complete): string | undefined {
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
function nested(inner: Complete, outer: Complete): string | undefined {
  if (relation(inner.internal, outer.internal) !== 'is under') return undefined;
  const rest = inner.internal.slice(outer.internal.length);
  // A path in an argument stays with the outer mount, even if an inner mount has that path.
  if (inner.public === outer.public + rest && outer.path_argument === undefined) return undefined;
  return (
    `an internal prefix that is not below ${outer.internal}, the one of ${outer.public}: ` +
    `tokens for ${outer.public} would open files of ${inner.public}`
  );
}

/** `target` names files by their internal URI, and a token of another mount must not open an object of the store. */
function sharedStorage(mount: Complete, other: Complete): string | undefined {
  if (mount.storage === undefined || mount === other) return undefined;
  if (relation(mount.internal, other.internal) === undefined) return undefined;
  const expected = 'an internal prefix that no other mount has, contains or is below';
  return `${expected}: ${other.public} has ${other.internal}`;
}
