import { isIPv4, isIPv6 } from 'node:net';
import { closestMatch } from 'leven';
import { z } from 'zod';
import { addressRangeError, type Listen, type UdpAddress } from '../address.ts';
import { prefixError } from '../paths/path.ts';
import { parseStoreUrl, STORE_EXPECTED } from '../store/connection/url.ts';
import type { CamelCase } from '../token/grant-fields.ts';

// The message of a schema follows "expected: " in a report, and docs/reference/configuration.md and --help show it. It describes
// a valid value, with an example.

/**
 * What a report may show of a value: `.meta(WORD)` a word or a number, `.meta(PLACE)` an address or a path. All others
 * hold a secret, the path of one, a name beside one, or a URL, which can contain a password.
 */
export const WORD = { shown: 'word' } as const;
export const PLACE = { shown: 'place' } as const;

export const matching = (pattern: RegExp, expected: string) =>
  z.string(expected).regex(pattern, expected);

export const FILE_PATH = /^[^\p{Cc}\s-]\P{Cc}*$/u;

/** Returns undefined, so that a function can return the result for an invalid value. */
export type Report = (problem: string) => undefined;

/** A text that `parse` understands. Otherwise `parse` returns undefined, and can report more than `expected`. */
export function parsed<T>(
  expected: string,
  parse: (text: string, report: Report) => T | undefined,
) {
  return z.string(expected).transform((text, context) => {
    // One error names all problems, because they have the same place in the configuration.
    const problems: string[] = [];
    const value = parse(text, (problem) => void problems.push(problem));
    if (problems.length > 0) context.addIssue(problems.join('; '));
    else if (value === undefined) context.addIssue(expected);
    return value as T;
  });
}

/** A list in the file. `missing` is the message if there is none. */
export function listOf<T extends z.ZodType>(what: string, item: T, missing?: string) {
  const expected = `a list of ${what} (in YAML, lines that begin with "- ")`;
  return z.array(item, { error: ({ input }) => (input === undefined && missing) || expected });
}

/** A list in the file, and a text with commas in the environment. */
export function textList<T>(expected: string, item: z.ZodType<T, string>) {
  const split = z.string().transform((text) => text.split(',').map((part) => part.trim()));
  return z.union([split, z.array(z.string())], expected).pipe(z.array(item).min(1, expected));
}

/** A mapping. The message of an unknown key is the list of the known ones. */
export function mapping<S extends z.ZodRawShape>(shape: S, textOr = '') {
  const keys = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: ({ code }) =>
      code === 'unrecognized_keys' ? keys : `${textOr}a mapping with some of the keys ${keys}`,
  });
}

export const A_YEAR = 31_536_000;

/** YAML reads digits as a number, the environment has only text. */
const digits = (expected: string) => z.union([z.string(), z.number()], expected).transform(String);

/** Also the pattern of the chart's schema, with the range. */
export const DIGITS = /^\d{1,15}$/;

export function wholeNumber(unit: string, min: number, max: number) {
  const expected = `${min} to ${max} ${unit}`;
  return digits(expected)
    .pipe(matching(DIGITS, expected).transform(Number))
    .refine((number) => number >= min && number <= max, expected)
    .meta({ ...WORD, pattern: DIGITS.source, minimum: min, maximum: max });
}

export const flag = z
  .union(
    [z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive' })],
    'true or false',
  )
  .meta(WORD);

export const oneOf = <const T extends readonly string[]>(...words: T) =>
  z.enum(words, `one of ${words.join(', ')}`).meta(WORD);

const RANGES = 'a list of addresses and ranges, such as 127.0.0.1,10.0.0.0/24';

export const addressRanges = textList(
  RANGES,
  z.string().refine((range) => addressRangeError(range) === undefined, RANGES),
).meta(PLACE);

export const HOST_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

export function parseUrl(text: string): URL | undefined {
  return /^https?:\/\/[^\s\\]+$/i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
}

/** Whether a URL has no user name, password and #. */
export const isPlain = ({ username, password, hash }: URL) => username + password + hash === '';

export const storeUrl = parsed(STORE_EXPECTED, (text, report) => {
  const url = parseStoreUrl(text);
  return 'expected' in url ? report(url.expected) : text;
});

/** An origin, without a slash at the end of the value. */
export function origin(expected: string) {
  return parsed(expected, (text) => {
    const url = parseUrl(text);
    return url && isPlain(url) && url.pathname + url.search === '/' ? url.origin : undefined;
  });
}

/** Plain HTTP is only for addresses in webhook_allow. They are checked when the name is looked up. */
export const webhookUrl = parsed(
  'an https URL without user, password and #, such as https://app.example/events',
  (text) => {
    const url = parseUrl(text);
    return url && isPlain(url) ? text : undefined;
  },
);

const JWKS_FILE = 'path of a JWKS file, such as /etc/postern/keys.json or ./keys.json';

/** Rejects the keys themselves: JSON begins with { or [, PEM with dashes, and base64 has no dot. */
export const jwksFile = matching(/^[^\p{Cc}\s{["-]\P{Cc}*$/u, JWKS_FILE).refine(
  (path) => !path.includes('://') && !/^[A-Za-z0-9+_=-][A-Za-z0-9+/_=-]{31,}$/.test(path),
  JWKS_FILE,
);

/** An `iss` or `aud` of a JWT, which is compared as text. */
export const jwtName = (what = '') =>
  matching(
    /^[\x21-\x7e]{1,255}$/,
    `${what}1 to 255 ASCII characters without spaces, such as https://a.example`,
  );

/** A folder's path in decoded form. `pathOf` returns the part of the text that is a path. */
export function prefix(expected: string, pathOf = (text: string) => text, it = 'it') {
  return parsed(expected, (text, report) => {
    const problem = prefixError(pathOf(text));
    return problem === undefined ? text : report(`${expected}: ${it} ${problem}`);
  }).meta(PLACE);
}

const LISTEN = 'host:port, [IPv6]:port or unix:/path, such as 127.0.0.1:7300';

export const listenAddress = parsed<Listen>(LISTEN, (text) =>
  text.startsWith('unix:') ? parseSocket(text.slice('unix:'.length)) : parseAddress(text),
).meta(PLACE);

/** An address, or `off` for no listener, which YAML 1.1 reads as false. */
export const listenAddressOrOff = z
  .union(
    [z.literal(['off', false]).transform((): 'off' => 'off'), listenAddress],
    `${LISTEN}; or off, for no API`,
  )
  .meta(PLACE);

export const udpAddress = parsed(
  'host:port or [IPv6]:port, such as 127.0.0.1:7302',
  parseAddress,
).meta(PLACE);

/** Permissions of a Unix socket, as in chmod(1). YAML reads 0660 as the number 660. */
export const socketMode = digits('one of 0600, 0660, 0666')
  .transform((mode) => mode.padStart(4, '0'))
  .pipe(oneOf('0600', '0660', '0666'))
  .transform((mode) => Number.parseInt(mode, 8))
  .meta(WORD);

/** The size of the kernel's sockaddr_un on every system, in bytes. */
const MAX_SOCKET_PATH_BYTES = 103;

function parseSocket(path: string): Listen | undefined {
  const isShort = Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
  return isShort && /^\/\P{Cc}*[^/\p{Cc}]$/u.test(path) ? { path } : undefined;
}

function parseAddress(text: string): UdpAddress | undefined {
  const [, bracketed, plain = '', digits] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  // A text that ends in a number must be an address, so 127.0.0.300 is invalid.
  const isHost = isIPv4(plain) || (HOST_NAME.test(plain) && !/(^|\.)\d+$/.test(plain));
  const isLegal = bracketed === undefined ? isHost : isIPv6(bracketed);
  return isLegal && port >= 1 && port <= 65_535 ? { host: bracketed ?? plain, port } : undefined;
}

/** Returns a check for duplicates: whether a value is undefined, or occurs for the first time. */
export function unseen(seen = new Set<string>()): (value: string | undefined) => boolean {
  return (value) => value === undefined || seen.size < seen.add(value).size;
}

const MAX_TYPOS = 2;

/** `did you mean …?` if a name is close to a known one. */
export function suggest(name: string, known: readonly string[]): string | undefined {
  const nearest = closestMatch(name, known, { maxDistance: MAX_TYPOS });
  return nearest && `did you mean ${nearest}?`;
}

type CamelCased<T, Prefix extends string> = {
  readonly [K in keyof T as K extends `${Prefix}${infer Name}` ? CamelCase<Name> : never]: Exclude<
    T[K],
    undefined
  >;
};

/** The values under their names in camelCase. With a prefix, only those whose names begin with it, without the prefix. */
export function camelCased<T extends object, Prefix extends string = ''>(
  values: T,
  prefix = '' as Prefix,
) {
  const entries = Object.entries(values).flatMap(([name, value]) => {
    if (value === undefined || !name.startsWith(prefix)) return [];
    const rest = name.slice(prefix.length);
    return [[rest.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()), value]];
  });
  return Object.fromEntries(entries) as CamelCased<T, Prefix>;
}

/** Lists whose entries are mappings. An invalid field does not make the others of its entry invalid. */
const ENTRY_LISTS = ['mounts', 'api_keys', 'issuers'] as const;

type Entries<T> = T extends ReadonlyArray<infer E> ? readonly (Valid<E> | undefined)[] : never;

/** The values that have no error. */
export type Valid<T> = {
  readonly [K in keyof T]?:
    | (K extends (typeof ENTRY_LISTS)[number] ? Entries<T[K]> : T[K])
    | undefined;
};

/** Reports what is expected at a path, such as `['mounts', 0, 'public']`. */
export type Add = (path: readonly PropertyKey[], expected: string) => void;

/** Adds checks that compare values. They get the valid ones only, so each error is reported at once, and only once. */
export function withChecks<S extends z.ZodObject>(
  schema: S,
  check: (valid: Valid<z.output<S>>, add: Add) => void,
): S {
  return schema.superRefine(
    (values, { issues, addIssue }) => {
      for (const { code, path = [] } of issues) {
        const isInEntry = ENTRY_LISTS.some((list) => list === path[0]);
        if (code !== 'unrecognized_keys') leaveOut(values, path.slice(0, isInEntry ? 3 : 1));
      }
      check(values as Valid<z.output<S>>, (path, message) => {
        addIssue({ code: 'custom', path: [...path], message });
      });
    },
    {
      when: ({ issues }) => issues.every(({ code, path }) => path || code === 'unrecognized_keys'),
    },
  );
}

/** The values are not used elsewhere: there is an error. */
function leaveOut(values: unknown, [step, ...path]: readonly PropertyKey[]): void {
  if (typeof values !== 'object' || values === null || step === undefined) return;
  if (path.length > 0) leaveOut(Reflect.get(values, step), path);
  else Reflect.set(values, step, undefined);
}
