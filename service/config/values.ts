import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import { addressRangeError } from '../site/address.ts';
import { prefixError } from '../site/path.ts';
import { hashSecret } from '../token/client.ts';
import { isToken } from '../token/token.ts';
import { listExpected } from './source.ts';

// The message of a schema follows "expected: ". It describes a valid value, with an example.

export const matching = (pattern: RegExp, expected: string) =>
  z.string(expected).regex(pattern, expected);

/** A text that `parse` understands. */
function parsed<T>(parse: (text: string) => T | undefined, expected: string) {
  return z.string(expected).transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    // Without a value, refinements must not run.
    context.addIssue({ code: 'custom', message: expected, continue: false });
    return z.NEVER;
  });
}

/** A text that has no problem. `problem` returns the message if it finds one. */
export function checked(problem: (text: string) => string | undefined, expected: string) {
  return z.string(expected).superRefine((text, context) => {
    const found = problem(text);
    if (found !== undefined) context.addIssue(found);
  });
}

/** Returns a check for duplicates: whether a value occurs for the first time. */
export function unseen(seen = new Set<string>()): (value: string) => boolean {
  return (value) => seen.size < seen.add(value).size;
}

/** A list in the file. `missing` is the message if there is none. */
export function listOf<T>(what: string, item: z.ZodType<T>, missing = listExpected(what)) {
  return z.array(item, {
    error: ({ input }) => (input === undefined ? missing : listExpected(what)),
  });
}

/** A list in the file, and a text with commas in the environment. */
export function texts<T>(expected: string, item: z.ZodType<T, string>) {
  const split = z.string().transform((text) => text.split(',').map((part) => part.trim()));
  return z.union([split, z.array(z.string())], expected).pipe(z.array(item).min(1, expected));
}

/** YAML reads digits as a number, the environment has only text. */
const digits = (expected: string) => z.union([z.string(), z.number()], expected).transform(String);

export function wholeNumber(unit: string, min: number, max: number) {
  const expected = `a whole number of ${unit}, from ${min} to ${max}`;
  const number = z.number().min(min, expected).max(max, expected);
  return digits(expected).pipe(
    matching(/^\d{1,15}$/, expected)
      .transform(Number)
      .pipe(number),
  );
}

export const flag = z.union(
  [z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive' })],
  'true or false',
);

const SAME_SITE = ['Lax', 'Strict', 'None'] as const;

/** In the spelling of the cookie's attribute. */
export const sameSite = parsed(
  (text) => SAME_SITE.find((name) => name.toLowerCase() === text.toLowerCase()),
  'lax, strict or none',
);

const MODES = ['0600', '0660', '0666'] as const;
const MODE_EXPECTED = `one of ${MODES.join(', ')}`;

/** Permissions of a Unix socket, as in chmod(1). YAML reads 0660 as the number 660. */
export const socketMode = digits(MODE_EXPECTED)
  .transform((mode) => mode.padStart(4, '0'))
  .pipe(z.enum(MODES, MODE_EXPECTED))
  .transform((mode) => Number.parseInt(mode, 8));

/** Where a server listens: an address (IPv6 without brackets) and a port, or a Unix socket. */
export type Listen = { readonly host: string; readonly port: number } | { readonly path: string };

const LISTEN_EXPECTED =
  'an address and a port from 1 to 65535, such as 127.0.0.1:7300 or [::1]:7300, ' +
  'or a socket, such as unix:/run/postern/gate.sock';

export const listenAddress = parsed<Listen>(
  (text) =>
    text.startsWith('unix:') ? parseSocket(text.slice('unix:'.length)) : parseAddress(text),
  LISTEN_EXPECTED,
);

/** An address for UDP. */
export type UdpAddress = Exclude<Listen, { readonly path: string }>;

export const udpAddress = parsed(
  parseAddress,
  'an address and a port from 1 to 65535, such as 127.0.0.1:7302 or [::1]:7302',
);

export const LOOPBACK = ['127.0.0.0/8', '::1'];

const RANGES = 'a list of addresses and ranges, such as 127.0.0.1,10.0.0.0/24';

export const addressRanges = texts(
  RANGES,
  z.string().refine((range) => addressRangeError(range) === undefined, RANGES),
);

/** YAML 1.1 reads off as false. */
const off = z.literal(['off', false]).transform((): 'off' => 'off');

/** An address, or `off` for no listener. */
export const listenAddressOrOff = z.union(
  [off, listenAddress],
  `${LISTEN_EXPECTED}; or off, for no API`,
);

/** The size of the kernel's sockaddr_un on every system, in bytes. */
const MAX_SOCKET_PATH_BYTES = 103;

function parseSocket(path: string): Listen | undefined {
  const isLegal =
    /^\/\P{Cc}*[^/\p{Cc}]$/u.test(path) && Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
  return isLegal ? { path } : undefined;
}

export const HOST_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

function parseAddress(text: string): UdpAddress | undefined {
  const [, bracketed, plain = '', port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  if (!isPort(Number(port))) return undefined;
  if (bracketed !== undefined) {
    return isIPv6(bracketed) ? { host: bracketed, port: Number(port) } : undefined;
  }
  // A text that ends in a number must be an address, so 127.0.0.300 is invalid.
  const isLegal = isIPv4(plain) || (HOST_NAME.test(plain) && !/(^|\.)\d+$/.test(plain));
  return isLegal ? { host: plain, port: Number(port) } : undefined;
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535;
}

/** No braces, which would determine the slot of a key in a cluster, and no characters of a pattern. */
export const storePrefix = matching(
  /^[A-Za-z0-9:._/-]{1,64}$/,
  '1 to 64 letters, digits or : . _ / -, such as postern:',
);

const JWKS_FILE = 'the path of a JWKS file, such as /etc/postern/keys.json or ./keys.json';

/** Rejects the keys themselves: JSON begins with { or [, PEM with dashes, and base64 has no dot. */
export const jwksFile = matching(/^[^\p{Cc}\s{["-]\P{Cc}*$/u, JWKS_FILE).refine(
  (path) => !path.includes('://') && !/^[A-Za-z0-9+_=-][A-Za-z0-9+/_=-]{31,}$/.test(path),
  JWKS_FILE,
);

/** The path of a file that Postern reads at start. */
export const path = (example: string) =>
  matching(/^[^\p{Cc}\s-]\P{Cc}*$/u, `the path of a file, such as ${example}`);

/** The name in the certificates of the store, for SNI and for the check. */
export const serverName = matching(
  HOST_NAME,
  'the host name in the certificates, such as redis.example',
);

/** A user name or a password for another server. */
export const credential = (what: string) =>
  matching(/^\P{Cc}{1,1024}$/u, `${what}: 1 to 1024 characters without control characters`);

/** An `iss` or `aud` of a JWT, which is compared as text. */
export const jwtName = (what: string) =>
  matching(
    /^[\x21-\x7e]{1,255}$/,
    `${what}: 1 to 255 ASCII characters without spaces, such as https://a.example`,
  );

/** The name of an API key or an issuer. `sha256` would be `sha256:<64 hex>` without an ID. */
export const id = matching(
  /^(?!sha256$)[A-Za-z0-9._-]{1,64}$/i,
  'an id of 1 to 64 letters, digits or . _ -, such as web',
);

/** The hash of an API key: a file contains only the hash, never the key. */
export const secretHash = parsed(
  parseHash,
  'sha256: and 64 hex digits: a file contains only the hash of a key, never the key. ' +
    'To compute it: printf %s "$KEY" | sha256sum',
);

/** The hash of an API key in the environment: the key, or already its hash. */
export const secret = parsed((text) => {
  // In upper case, too: SHA256: is not the start of a secret.
  if (/^sha256:/i.test(text)) return parseHash(text);
  // A secret is part of a header and of a list with commas.
  return /^[\x21-\x2b\x2d-\x7e]{16,}$/.test(text) ? hashSecret(text) : undefined;
}, 'after the colon a secret of at least 16 ASCII characters without spaces and commas, ' +
  'such as openssl rand -hex 24 prints; or its hash, sha256: and 64 hex digits');

function parseHash(text: string): Buffer | undefined {
  const hex = /^sha256:([\da-f]{64})$/i.exec(text)?.[1];
  return hex === undefined ? undefined : Buffer.from(hex, 'hex');
}

/** A folder's path in decoded form. */
export function prefix(what: string, example: string) {
  const expected = `${what}, such as ${example}`;
  return checked((text) => prefixProblem(text, expected), expected);
}

export function prefixProblem(text: string, expected: string): string | undefined {
  const problem = prefixError(text);
  return problem === undefined ? undefined : `${expected}: it ${problem}`;
}

export const publicPrefix = prefix('a public prefix', '/download/')
  .refine(
    (path) => path !== '/',
    'a folder such as /download/: every internal prefix is under /, ' +
      'so nginx would ask the gate again instead of sending the file',
  )
  .refine(
    (path) => !path.split('/').some((segment) => segment[0] === '~' && isToken(segment.slice(1))),
    'a public prefix without ~ and a token: requests carry their token in this form',
  );

export const internalPrefix = prefix('an internal prefix', '/protected/').refine(
  (path) => path !== '/',
  'a folder such as /protected/: every public prefix is under /, ' +
    'so nginx would ask the gate again instead of sending the file',
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
export const queryArgument = z
  .string(ARGUMENT)
  .refine((name) => name !== 'token', 'a name other than token: that argument holds the token')
  .regex(/^[A-Za-z0-9_-]+$/, ARGUMENT);
