import { z } from 'zod';
import type { ApiKey, Client, Scope } from '../domain/client.ts';
import type { Mount } from '../domain/mount.ts';
import type { ConfigErrors } from './errors.ts';
import { sitesOverlap, splitSite } from './mounts.ts';
import {
  isFromEnvironment,
  isList,
  readEntries,
  readListOrText,
  type SourcedValue,
  type TextEntry,
  type Valid,
} from './source.ts';
import * as values from './values.ts';

export const LIMIT_FIELDS = ['paths', 'targets', 'max_expires_in', 'max_resume_for'];
export const API_KEY_FIELDS = ['id', 'key', ...LIMIT_FIELDS];

/** What the limits of a client are checked against. A part that is itself invalid is undefined. */
export interface GeneralLimits {
  readonly mounts: readonly Mount[] | undefined;
  /** Seconds. */
  readonly maxExpiresIn: number | undefined;
  /** Seconds. */
  readonly maxResumeFor: number | undefined;
}

/** Every API key; none if none is configured. */
export function readApiKeys(
  sourced: SourcedValue | undefined,
  general: GeneralLimits,
  errors: ConfigErrors,
): readonly ApiKey[] {
  const entries = readListOrText(sourced, 'API keys', API_KEY_TEXT, errors);
  // An absent list means no keys. An empty list is more likely a mistake.
  if (sourced && isList(sourced.value) && entries.length === 0) {
    errors.add(sourced, 'at least one API key');
  }
  // Two clients with one ID would own each other's tokens; of two with one secret only one is found.
  const isNewHash = values.unseen();
  const limits = limitSchemas(general, 'literal');
  const schemas = {
    id: values.id.refine(values.unseen(), 'an id that no earlier API key has'),
    key: (isFromEnvironment(sourced) ? values.secret : values.secretHash).refine(
      (hash) => isNewHash(hash.toString('hex')),
      'a secret that no earlier API key has',
    ),
    ...limits,
    paths: limits.paths.optional(),
  };
  return readEntries(entries, API_KEY_FIELDS, errors).flatMap(({ has, read }) => {
    const { id, key: sha256, paths, ...rest } = read(schemas);
    const client = clientLimits(rest);
    // Without its invalid paths, a client could issue for every mount.
    const isOpen = has('paths') && paths === undefined;
    if (id === undefined || sha256 === undefined || client === undefined || isOpen) return [];
    return [{ sha256, client: { id, ...(paths && { paths }), ...client } }];
  });
}

/** `web:<secret>` or `batch:sha256:<64 hex>`. */
const API_KEY_TEXT: TextEntry = {
  parse(text) {
    const colon = text.indexOf(':');
    return colon < 0 ? undefined : { id: text.slice(0, colon), key: text.slice(colon + 1) };
  },
  expected: '<id>:<secret> with a colon; a comma ends an entry, so a secret cannot contain one',
  isSecret: true,
};

/** What braces in a path are: characters like others for an API key, claims for an issuer. */
type Braces = 'literal' | 'claims' | 'forbidden';

/** The limits in an entry of API keys or issuers. */
export function limitSchemas(
  { mounts, maxExpiresIn, maxResumeFor }: GeneralLimits,
  braces: Braces,
) {
  const none = 'at least one public prefix';
  const noLimit = braces === 'literal' ? '; without paths the client may issue for all' : '';
  return {
    paths: values
      .listOf('public prefixes', scopeSchema(mounts, braces), NO_PATHS)
      .min(1, none + noLimit),
    targets: values.listOf('internal prefixes', targetSchema(mounts)).default([]),
    max_expires_in: maximum(1, maxExpiresIn),
    max_resume_for: maximum(0, maxResumeFor),
  };
}

const NO_PATHS =
  'the public prefixes that its JWTs may be for, such as [/download/]: ' +
  'without them, its JWTs could open everything';

/** A client's maximum must not exceed the general one, which is its default. */
function maximum(min: number, general = Number.MAX_SAFE_INTEGER) {
  return values.wholeNumber('seconds', min, general).default(general);
}

/** Undefined if a limit is invalid. */
export function clientLimits({
  targets,
  max_expires_in: maxExpiresIn,
  max_resume_for: maxResumeFor,
}: Omit<Valid<ReturnType<typeof limitSchemas>>, 'paths'>):
  | Pick<Client, 'targets' | 'maxExpiresIn' | 'maxResumeFor'>
  | undefined {
  if (!targets || maxExpiresIn === undefined || maxResumeFor === undefined) return undefined;
  return { targets, maxExpiresIn, maxResumeFor };
}

/** An internal prefix that a client may name as `target`. */
function targetSchema(mounts: readonly Mount[] | undefined) {
  return values
    .prefix('an internal prefix', '/protected/shared/')
    .refine(
      (target) => mounts?.some(({ internal }) => target.startsWith(internal)) !== false,
      "a prefix under a mount's internal prefix: this one can never match",
    );
}

/** A public prefix that a client may issue for: `/download/`, or `files.example:/media/`. */
function scopeSchema(mounts: readonly Mount[] | undefined, braces: Braces) {
  const expected = 'a public prefix, such as /download/ or files.example:/media/';
  const pathOf = (text: string) => (braces === 'literal' ? text : withoutClaimNames(text));
  const prefix = values.checked(
    (text) => braceProblem(text, braces) ?? values.prefixProblem(pathOf(text), expected),
    expected,
  );
  return z
    .string(expected)
    .transform(splitSite)
    .pipe(z.object({ site: values.siteName.exactOptional(), prefix }))
    .transform((scope, context): Scope => {
      const canMatch = mounts?.some(
        (mount) =>
          sitesOverlap(mount.site, scope.site) && canOverlap(pathOf(scope.prefix), mount.prefix),
      );
      if (canMatch !== false) return scope;
      context.addIssue("a prefix under a mount's public prefix: this one can never match");
      return z.NEVER;
    });
}

function braceProblem(text: string, braces: Braces): string | undefined {
  if (braces === 'claims' && /[{}]/.test(text.replace(CLAIM, 'claim'))) {
    return (
      'braces around a claim that is a whole segment, such as /download/users/{sub}/; ' +
      'its name has 1 to 64 letters, digits or _ : . / -'
    );
  }
  if (braces === 'forbidden' && /[{}]/.test(text)) {
    return (
      'a public prefix without braces, such as /download/: ' +
      'a segment can be a claim only if trusted_for is clients'
    );
  }
  return undefined;
}

/** `{sub}` as a whole segment. A name may contain a slash: some claims are named by a URL. */
const CLAIM = /(?<=\/)\{[A-Za-z0-9_:./-]{1,64}\}(?=\/)/g;

/** A path with `{}` for each claim, so that the name of a claim does not count as path. */
function withoutClaimNames(path: string): string {
  return path.replace(CLAIM, '{}');
}

/** Whether one of two prefixes can be under the other; in the first, `{}` is any segment. */
function canOverlap(path: string, prefix: string): boolean {
  const segments = prefix.split('/').slice(0, -1);
  return path
    .split('/')
    .slice(0, -1)
    .every((segment, index) => segment === '{}' || segment === (segments[index] ?? segment));
}
