/** Maximum number of requesters of a grant. Without `max_uses`, the oldest is dropped beyond it. */
export const MAX_REQUESTERS = 1000;

/** Seconds; above any client's maximum, and small enough for exact times. */
const MAX_SECONDS = 1_000_000_000;

/** Seconds since 1970, as in the claims of a JWT. */
const MAX_TIME = 100_000_000_000;

/** Redis' scripts write numbers of at most 14 digits. */
const MAX_BYTES = 10_000_000_000_000;

interface Common {
  readonly description: string;
  readonly example?: unknown;
  /** The other covering field must be absent. */
  readonly for?: 'prefix';
  /** Key in the stored record. With it, the grant keeps the field under its name in camel case. */
  readonly record?: string;
  /** JWT claim; absent: the field's name; false: no token has it. */
  readonly claim?: string | false;
  /** False: no response of the API has it. */
  readonly shown?: false;
  /** Placeholder for the value on the command line. A text without one is read from standard input. */
  readonly value?: string;
}

/** `checked`: issue/ checks the text. `flag`: only `true` is kept, and `default` means on. */
export type GrantField = Common &
  (
    | {
        readonly type: 'text';
        readonly maxLength: number;
        readonly minLength?: number;
        /** A character that the text must not contain, and its name. */
        readonly without?: readonly [RegExp, string];
      }
    | {
        readonly type: 'list';
        readonly maxLength: number;
        readonly maxItems: number;
        /** What the entries are, and the meaning of a missing field. */
        readonly items: string;
        readonly absent: string;
      }
    | { readonly type: 'checked' }
    | { readonly type: 'whole'; readonly min: number; readonly max: number }
    | { readonly type: 'choice'; readonly of: readonly string[] }
    | { readonly type: 'flag'; readonly default?: true }
  );

/**
 * The fields of a request for a token. The request schema, the stored record, the JWT claims, the API's responses, the
 * OpenAPI document and the options of `postern token issue` come from this table. The rules of a field are in issue/.
 * Never use a `record` key again for another field: stored records may contain it.
 */
export const GRANT_FIELDS = {
  path: {
    type: 'checked',
    description: 'public path of a file, not percent-encoded',
    value: 'path',
    example: '/download/reports/2026.pdf',
  },
  prefix: {
    type: 'checked',
    description: 'public path of a folder, with a final slash',
    value: 'path',
    example: '/download/photos/',
  },
  site: {
    type: 'text',
    maxLength: 253,
    record: 's',
    description: "the site, as nginx's $server_name",
    value: 'name',
    example: 'files.example',
  },
  expires_in: {
    type: 'whole',
    min: 1,
    max: MAX_SECONDS,
    claim: false,
    shown: false,
    description: 'seconds in which a new requester may start; default: POSTERN_EXPIRES_IN, 120',
    value: 'seconds',
    example: 120,
  },
  not_before: {
    type: 'whole',
    min: 1,
    max: MAX_TIME,
    record: 'N',
    claim: 'nbf',
    description: 'seconds since 1970: until then Postern rejects the token',
    value: 'time',
    example: 1_795_597_200,
  },
  subject: {
    type: 'text',
    maxLength: 256,
    record: 'u',
    claim: 'sub',
    description: 'a name for the user, to find and revoke tokens by',
    value: 'name',
    example: 'user-42',
  },
  target: {
    type: 'checked',
    record: 't',
    description: "internal URI that serves the file, instead of the mount's",
    value: 'uri',
    example: '/protected/archive/2026.pdf',
  },
  target_args: {
    type: 'checked',
    record: 'g',
    claim: false,
    shown: false,
    description: 'query for that URI, for example a presigned one',
    value: 'query',
    example: 'X-Amz-Expires=60',
  },
  max_uses: {
    type: 'whole',
    min: 1,
    max: MAX_REQUESTERS,
    description: 'number of requesters that may use the token; default: unlimited',
    value: 'n',
    example: 1,
  },
  resume_for: {
    type: 'whole',
    min: 0,
    max: MAX_SECONDS,
    description:
      'seconds from its first use in which a requester may resume; default with max_uses: POSTERN_RESUME_FOR, 3600',
    value: 'seconds',
    example: 3600,
  },
  bind: {
    type: 'choice',
    of: ['any', 'cookie'],
    description: 'how Postern recognizes a requester; default: any, with pin: cookie',
    example: 'cookie',
  },
  confirm: {
    type: 'flag',
    record: 'h',
    description: 'only a POST counts as a use, for example a button on a page',
  },
  pin: {
    type: 'text',
    minLength: 4,
    maxLength: 12,
    without: [/\s/, 'a space'],
    claim: false,
    shown: false,
    description: 'with confirm: what a person must type; stored only as an HMAC',
    example: '4711',
  },
  ip: {
    type: 'list',
    maxLength: 64,
    maxItems: 64,
    items: 'addresses',
    absent: 'any address may use it',
    record: 'w',
    description: 'addresses or ranges that may use the token; default: every address',
    value: 'address',
    example: ['192.0.2.0/24', '2001:db8::/64'],
  },
  filename: {
    type: 'text',
    maxLength: 255,
    without: [/[/\\]/, 'a path separator'],
    record: 'f',
    description: 'name under which a browser saves the file',
    value: 'name',
    example: 'Annual report.pdf',
  },
  disposition: {
    type: 'choice',
    of: ['attachment', 'inline'],
    record: 'd',
    description:
      'whether a browser saves or opens the file; default with filename, or with confirm and path: attachment',
    example: 'inline',
  },
  size: {
    type: 'whole',
    min: 0,
    max: MAX_BYTES,
    record: 'B',
    description: 'with confirm: size of the file in bytes, for the page',
    value: 'bytes',
    example: 1_500_000,
  },
  sender: {
    type: 'text',
    maxLength: 64,
    record: 'F',
    description: 'with confirm: who sends the file, for the page',
    value: 'name',
    example: 'Ada Lovelace',
  },
  limit_rate: {
    type: 'whole',
    min: 1,
    max: 1_000_000_000_000,
    record: 'r',
    description: 'bytes per second and connection; default: unlimited',
    value: 'bytes',
    example: 1_000_000,
  },
  max_bytes: {
    type: 'whole',
    min: 1,
    max: MAX_BYTES,
    record: 'M',
    claim: false,
    description:
      'number of bytes sent, as nginx reports them, after which Postern rejects the token',
    value: 'bytes',
    example: 50_000_000_000,
  },
  cookie: {
    for: 'prefix',
    type: 'flag',
    record: 'k',
    description: 'for a prefix: the first use sets the token as a cookie',
  },
  listing: {
    for: 'prefix',
    type: 'flag',
    record: 'L',
    description: 'for a prefix: the link of a folder shows its files',
  },
  index: {
    for: 'prefix',
    type: 'flag',
    record: 'I',
    description: 'for a prefix: the link of a folder opens its index.html',
  },
  format: {
    type: 'choice',
    of: ['opaque', 'jwt'],
    claim: false,
    description: 'format of the token; default: POSTERN_FORMAT, opaque',
    example: 'jwt',
  },
  revocable: {
    type: 'flag',
    default: true,
    claim: false,
    shown: false,
    description: 'false: Postern does not store this JWT, and nobody can revoke it',
  },
} as const satisfies Readonly<Record<string, GrantField>>;

type Fields = typeof GRANT_FIELDS;
export type FieldName = keyof Fields;

type Value<F> = F extends { readonly type: 'whole' }
  ? number
  : F extends { readonly type: 'choice'; readonly of: ReadonlyArray<infer V> }
    ? V
    : F extends { readonly type: 'flag' }
      ? boolean
      : F extends { readonly type: 'list' }
        ? readonly string[]
        : string;

/** A client's request for a token, under its JSON names; types and bounds are checked. */
export type GrantRequest = { readonly [N in FieldName]?: Value<Fields[N]> | undefined };

type NameWith<Entry> = { [N in FieldName]: Fields[N] extends Entry ? N : never }[FieldName];

/** The fields whose claim has the same name. */
export type ClaimName = Exclude<FieldName, NameWith<{ readonly claim: string | false }>>;

/** The fields in the API's responses. */
export type ShownName = Exclude<FieldName, NameWith<{ readonly shown: false }>>;

export type CamelCase<N extends string> = N extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : N;

type Kept<F> = F extends { readonly type: 'flag' } ? true : Value<F>;

/** The fields that a grant keeps as requested. */
export type KeptFields = {
  readonly [N in NameWith<{ readonly record: string }> as CamelCase<N>]?: Kept<Fields[N]>;
};
