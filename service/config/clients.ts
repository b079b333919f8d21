import { z } from 'zod';
import type { Mount } from '../site/mount.ts';
import type { ApiKey, Scope, TrustedIssuer } from '../token/client.ts';
import type { ConfigErrors } from './errors.ts';
import { sitesOverlap, splitSite } from './mounts.ts';
import type { ValidPlain } from './settings.ts';
import {
  type Complete,
  camelCased,
  defined,
  type EntryList,
  isFromEnvironment,
  isList,
  readEntries,
  type SourcedValue,
} from './source.ts';
import * as urls from './urls.ts';
import * as values from './values.ts';

const LIMIT_FIELDS = ['paths', 'targets', 'max_expires_in', 'max_resume_for'];

const API_KEYS = {
  what: 'API keys',
  fields: ['id', 'key', ...LIMIT_FIELDS, 'admin'],
  /** `web:<secret>` or `batch:sha256:<64 hex>`. */
  text: {
    parse(text) {
      const colon = text.indexOf(':');
      return colon < 0 ? undefined : { id: text.slice(0, colon), key: text.slice(colon + 1) };
    },
    expected: '<id>:<secret> with a colon; a comma ends an entry, so a secret cannot contain one',
    isSecret: true,
  },
} satisfies EntryList;

export const API_KEY_FIELDS = API_KEYS.fields;

/** Settings that the entries must match; undefined if they are themselves invalid. */
interface Context {
  readonly mounts: readonly Mount[] | undefined;
  readonly plain: ValidPlain;
}

/** Every API key; undefined, with issues, if one is invalid. */
export function readApiKeys(
  sourced: SourcedValue | undefined,
  context: Context,
  errors: ConfigErrors,
): readonly ApiKey[] | undefined {
  const before = errors.count;
  const entries = readEntries(sourced, API_KEYS, errors);
  // An absent list means no keys. An empty list is more likely a mistake.
  if (isList(sourced?.value) && sourced.value.length === 0) {
    errors.add(sourced, 'at least one API key');
  }
  // Clients with the same ID would own each other's tokens. Only one of two clients with the same secret would
  // be found.
  const isNewHash = values.unseen();
  const limits = limitSchemas(context, 'literal');
  const schemas = {
    id: values.id.refine(values.unseen(), 'an id that no earlier API key has'),
    key: (isFromEnvironment(sourced) ? values.secret : values.secretHash).refine(
      (hash) => isNewHash(hash.toString('hex')),
      'a secret that no earlier API key has',
    ),
    ...limits,
    paths: limits.paths.optional(),
    admin: values.flag.default(false),
  };
  const read = entries.map((entry) => entry.read(schemas) as Complete<typeof schemas>);
  if (errors.count > before) return undefined;
  return read.map(({ key: sha256, admin, ...rest }) => {
    const { paths, ...client } = camelCased(rest);
    return { sha256, client: { ...client, ...defined({ paths }), ...(admin && { admin }) } };
  });
}

const ALGORITHMS = ['EdDSA', 'ES256', 'RS256'] as const;
const algorithm = z.enum(ALGORITHMS, `one of ${ALGORITHMS.join(', ')}`);

const purpose = z.enum(
  ['downloads', 'clients'],
  'downloads, if it signs download tokens, or clients, if it calls the API',
);
const algorithms = values
  .listOf('algorithms', algorithm)
  .min(1, 'at least one algorithm')
  .transform((names) => [...new Set(names)])
  .default([...ALGORITHMS]);

const NO_CLIENT = z.undefined('no such key: each client owns the tokens that it requests');

export const ISSUER_FIELDS = [
  ...['id', 'issuer', 'jwks_uri', 'jwks_file', 'audience', 'trusted_for', 'algorithms'],
  ...LIMIT_FIELDS,
  'client',
];

const ISSUERS = { what: 'issuers', fields: ISSUER_FIELDS };

interface IssuerContext extends Context {
  readonly apiKeys: readonly ApiKey[] | undefined;
  /** `iss` in Postern's own tokens. */
  readonly ownIssuer: string | undefined;
}

/** Every trusted issuer; none if none is configured, or if there are issues. */
export function readIssuers(
  sourced: SourcedValue | undefined,
  context: IssuerContext,
  errors: ConfigErrors,
): readonly TrustedIssuer[] {
  const before = errors.count;
  const { apiKeys, ownIssuer } = context;
  const keyIds = new Set(apiKeys?.map(({ client }) => client.id));
  // Issuers with the same ID would own each other's tokens. Only one of two issuers with the same `iss` would
  // be found.
  const schemas = {
    id: values.id.refine(
      values.unseen(new Set(keyIds)),
      'an id that no API key and no earlier issuer has',
    ),
    issuer: values
      .jwtName('exactly the iss claim of its JWTs')
      .refine(values.unseen(), 'an iss that no earlier issuer has')
      .refine((iss) => iss !== ownIssuer, "an iss other than Postern's own (POSTERN_ISSUER)"),
    jwks_uri: urls.jwksUri.optional(),
    jwks_file: values.jwksFile.optional(),
    audience: values.jwtName('exactly the aud claim of its JWTs'),
    trusted_for: purpose,
    algorithms,
  };
  const owner = values.id.refine(
    (client) => apiKeys === undefined || keyIds.has(client),
    'the id of an API key: no API key has this id',
  );
  const limitsFor = (trustedFor: z.output<typeof purpose> | undefined) => ({
    // Without a valid purpose, neither claims nor `client` is an error.
    ...limitSchemas(context, trustedFor === 'downloads' ? 'forbidden' : 'claims'),
    client: trustedFor === 'clients' ? NO_CLIENT : owner.optional(),
  });
  type Entry = Complete<typeof schemas & ReturnType<typeof limitsFor>>;

  const read = readEntries(sourced, ISSUERS, errors).map((entry) => {
    const about = entry.read(schemas);
    if (entry.has('jwks_uri') && entry.has('jwks_file')) {
      entry.add('jwks_file', 'jwks_uri or jwks_file, not both');
    } else if (!entry.has('jwks_uri') && !entry.has('jwks_file')) {
      const example = 'jwks_uri, such as https://login.example/jwks.json, or jwks_file';
      entry.add('jwks_uri', `where its public keys are: ${example}`);
    }
    return { ...about, ...entry.read(limitsFor(about.trusted_for)) } as Entry;
  });
  if (errors.count > before) return [];
  return read.map(({ jwks_uri: uri, jwks_file: file = '', ...rest }) => {
    const { client, ...issuer } = camelCased(rest);
    return { ...issuer, keys: uri === undefined ? { file } : { uri }, ...defined({ client }) };
  });
}

/** The meaning of braces in a path: literal for an API key, claims for an issuer of clients. */
type Braces = 'literal' | 'claims' | 'forbidden';

/** The limits in an entry of API keys or issuers. */
function limitSchemas({ mounts, plain }: Context, braces: Braces) {
  const none = 'at least one public prefix';
  const noLimit = braces === 'literal' ? '; without paths the client may issue for all' : '';
  return {
    paths: values
      .listOf('public prefixes', scopeSchema(mounts, braces), NO_PATHS)
      .min(1, none + noLimit),
    targets: values.listOf('internal prefixes', targetSchema(mounts)).default([]),
    max_expires_in: maximum(1, plain.max_expires_in),
    max_resume_for: maximum(0, plain.max_resume_for),
  };
}

const NO_PATHS =
  'the public prefixes that its JWTs may be for, such as [/download/]: ' +
  'without them, its JWTs could be for every file';

/** A client's maximum must not exceed the general one, which is its default. */
function maximum(min: number, general = Number.MAX_SAFE_INTEGER) {
  return values.wholeNumber('seconds', min, general).default(general);
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
