import type { Given } from '../../common/config.ts';
import type { ConfigErrors } from '../../service/config/errors.ts';
import { parsed } from '../../service/config/values.ts';

/** What serves an internal prefix. */
export type FileSource = { readonly folder: string } | { readonly url: string };

export type Schema<T> = Pick<ReturnType<typeof parsed<T>>, 'safeParse'>;

/** Adds an error and returns undefined if the value is invalid. */
export function read<T>(given: Given, schema: Schema<T>, errors: ConfigErrors): T | undefined {
  const { data, error } = schema.safeParse(given.value);
  return error ? errors.add(given, error.issues[0]?.message ?? '') : data;
}

const valid = (expected: string, isValid: (text: string) => boolean) =>
  parsed(expected, (text) => (isValid(text) ? text : undefined));

// These patterns keep each value one word of nginx. `nginx -t` finds a port or an address that does not exist.
const HOST = String.raw`(?:[\w.-]+|\[[\da-f:.]+\])`;
const SOCKET = String.raw`unix:/[\w./-]+`;

const matching = (expected: string, pattern: string) =>
  valid(expected, (text) => new RegExp(`^(?:${pattern})$`, 'i').test(text));

/** A server of an upstream. nginx would add port 80. */
export const gateAddress = matching(
  'the address of a gate: 127.0.0.1:7300, [::1]:7300, gate.internal:7300 or unix:/run/postern/gate.sock',
  String.raw`${HOST}:\d{1,5}|${SOCKET}`,
);

export const dnsServer = matching(
  'the address of a DNS server, such as 127.0.0.53 or [::1]:53',
  String.raw`${HOST}(?::\d{1,5})?`,
);

export const nginxListen = matching(
  'an address for nginx to listen on: 80, 127.0.0.1:8080 or [::]:80',
  String.raw`(?:(?:${HOST}|\*):)?\d{1,5}|${SOCKET}`,
);

/** The host of a URL, with or without a port. */
function isHost(text: string): boolean {
  return new RegExp(String.raw`^${HOST}(?::\d{1,5})?$`, 'i').test(text);
}

/** Letters of any script, and characters that are special neither to nginx nor to a shell. Never `$`. */
const NAME = /^[\p{L}\p{M}\p{N} ._+@,~-]+$/u;

/** PATH_MAX is 4096 on Linux, and includes the path of the file below the folder. */
const MAX_FOLDER_LENGTH = 1024;

export function isPath(path: string): boolean {
  const segments = path.split('/').slice(1);
  return (
    path.startsWith('/') &&
    Buffer.byteLength(path) <= MAX_FOLDER_LENGTH &&
    segments.every((name) => NAME.test(name) && name !== '.' && name !== '..')
  );
}

/** A folder for `alias`. It ends with a slash: without it `/x../` leaves the folder. */
export const filesFolder = parsed<FileSource>(
  'the absolute path of a folder, such as /srv/files, with only letters, digits, spaces and . _ + @ , ~ - in its names',
  (text) => {
    const bare = text.replace(/\/$/, '');
    // The root of the machine is not allowed.
    return isPath(bare) ? { folder: `${bare}/` } : undefined;
  },
);

/** A file or folder. No spaces: nginx reads the text after a space as another word, such as a log format. */
export const pathOf = (what: string) =>
  valid(`the absolute path of ${what}`, (path) => isPath(path) && /^[\x21-\x7e]+$/.test(path));

const ORIGIN = /^https?:\/\/([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[\da-f:.]+\])(:\d{1,5})?$/;

/** An origin exactly as a browser sends it: lower case, Punycode, no default port, no path. */
export const corsOrigin = valid(
  'an origin as browsers send it, such as https://app.example or http://localhost:3000: ' +
    'without path and *, in lower case, in Punycode (xn--…) for other scripts',
  (text) =>
    ORIGIN.test(text) && text.length <= 300 && URL.canParse(text) && new URL(text).origin === text,
);

/** The unencoded characters of a URL (RFC 3986), except those with a meaning for nginx. */
const LOGIN_URL =
  /^(?:https?:\/\/([^/?#]+))?((?:\/[A-Za-z0-9._~:@!*(),+%-]*)*)(\?[A-Za-z0-9._~:@!*(),+%/?&=-]*)?$/;
const BROKEN_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const MAX_URL_LENGTH = 1024;

/**
 * The URL of the login page, up to the requested URL: `/login?return=`. A URL that ends with `=` names its
 * own parameter. A page on another host also receives the public URL of this site, if it is known.
 */
export const loginUrl = (publicUrl = '') =>
  parsed(
    'a path of this site or a whole URL, such as /login or https://login.example/?next=, ' +
      'without user and #, and with every other character than letters, digits and ._~:@!*(),+- percent-encoded',
    (text) => {
      const [found, host, path = ''] = LOGIN_URL.exec(text) ?? [];
      // A URL that begins with two slashes contains a host.
      const legal = host === undefined ? /^\/(?!\/)/.test(path) : isHost(host);
      const isShort = text.length <= MAX_URL_LENGTH;
      if (found === undefined || !legal || !isShort || BROKEN_PERCENT.test(text)) return undefined;
      const page = text.endsWith('=') ? text : `${text}${text.includes('?') ? '&' : '?'}return=`;
      return host === undefined ? page : page + encodeURIComponent(publicUrl);
    },
  );

/** No query, no user, and no character that is special to nginx or in a URL. */
const TARGET_URL = /^(https?):\/\/([^/]+)((?:\/[A-Za-z0-9._~-]+)*\/?)$/;

/** The URL that an internal location proxies to. It ends with a slash; the path of the file follows. */
export const targetUrl = parsed<FileSource>(
  'the URL of the files, such as https://bucket.store.example or ' +
    'http://127.0.0.1:9000/bucket/: without user, query, % and ..',
  (url) => {
    const [, , authority = '', path = ''] = TARGET_URL.exec(url) ?? [];
    const dots = /\/\.\.?(\/|$)/.test(path);
    if (!isHost(authority) || dots || url.length > MAX_URL_LENGTH) return undefined;
    return { url: url.endsWith('/') ? url : `${url}/` };
  },
);
