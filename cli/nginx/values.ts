import { isIPv4, isIPv6 } from 'node:net';
import { ConfigErrors, quote } from '../../service/config/errors.ts';
import type { SourcedValue } from '../../service/config/source.ts';
import { WrongUsage } from '../failure.ts';

const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*$/i;

/** Fewer characters than a file system allows: none of them means anything to nginx. */
const SOCKET = /^unix:(\/[A-Za-z0-9._-]+)+$/;

/** What fits into sockaddr_un on every system, in bytes, with `unix:` before it. */
const MAX_SOCKET_BYTES = 103 + 5;

/** A server of an upstream: `127.0.0.1:7300`, `[::1]:7300`, `gate:7300`, `unix:/run/gate.sock`. */
export function readUpstream(value: SourcedValue, faults: ConfigErrors): string | undefined {
  const text = String(value.value);
  const { host, port } = split(text) ?? {};
  const named = host !== undefined && (isAddress(host) || isName(host));
  if (isSocket(text) || (named && isPort(port))) return text;
  return faults.add(
    value,
    'the address of a gate: 127.0.0.1:7300, [::1]:7300, gate.internal:7300 or unix:/run/postern/gate.sock',
  );
}

/** What nginx listens on: `80`, `*:80`, `127.0.0.1:80`, `[::]:80`, `unix:/run/site.sock`. */
export function readListen(value: SourcedValue, faults: ConfigErrors): string | undefined {
  const text = String(value.value);
  const { host, port } = split(text) ?? { host: '*', port: text };
  if (isSocket(text) || ((host === '*' || isAddress(host)) && isPort(port))) return text;
  return faults.add(value, 'an address for nginx to listen on: 80, 127.0.0.1:8080 or [::]:80');
}

/** A host as in a URL, with or without a port. */
export function isHost(text: string): boolean {
  const colon = /:\d+$/.test(text);
  const { host, port } = (colon && split(text)) || { host: text, port: '80' };
  return (isAddress(host) || isName(host)) && isPort(port);
}

/** nginx rejects the same address twice: `80`, `*:80` and `0.0.0.0:80` are the same. */
export function sameListen(text: string): string {
  const { host, port } = split(text) ?? { host: '*', port: text };
  if (text.startsWith('unix:')) return text;
  if (host === '*') return `0.0.0.0:${port}`;
  return host.startsWith('[') ? `${new URL(`http://${host}`).hostname}:${port}` : text;
}

function split(text: string): { readonly host: string; readonly port: string } | undefined {
  const colon = text.lastIndexOf(':');
  return colon < 0 ? undefined : { host: text.slice(0, colon), port: text.slice(colon + 1) };
}

function isPort(text: string | undefined): boolean {
  return /^[1-9]\d{0,4}$/.test(text ?? '') && Number(text) <= 65_535;
}

/** An IPv6 address in brackets, as nginx reads it: without a zone, and `::` for two groups at least. */
function isAddress(host: string): boolean {
  const [, inner] = /^\[([\da-f:.]+)\]$/i.exec(host) ?? [];
  if (inner === undefined) return isIPv4(host);
  const groups = inner.split(/[:.]/).filter(Boolean).length - (inner.includes('.') ? 2 : 0);
  return isIPv6(inner) && !(inner.includes('::') && groups === 7);
}

/** A name that ends in digits is a wrong address, such as 127.0.0.300. */
function isName(host: string): boolean {
  return host.length <= 253 && HOST_NAME.test(host) && !/(^|\.)\d+$/.test(host);
}

function isSocket(text: string): boolean {
  return SOCKET.test(text) && text.length <= MAX_SOCKET_BYTES && !/\/\.\.?(\/|$)/.test(text);
}

/** Letters of any script, and signs that neither nginx nor a shell obeys; in particular no `$`. */
const NAME = /^[\p{L}\p{M}\p{N} ._+@,~-]+$/u;

/** PATH_MAX is 4096 on Linux, and the file's own path comes after it. */
const MAX_FOLDER_LENGTH = 1024;

function isPath(path: string): boolean {
  const segments = path.split('/').slice(1);
  return (
    path.startsWith('/') &&
    Buffer.byteLength(path) <= MAX_FOLDER_LENGTH &&
    segments.every((name) => NAME.test(name) && name !== '.' && name !== '..')
  );
}

const SIGNS = 'with only letters, digits, spaces and . _ + @ , ~ - in its names';

/** The folder of files, for `alias`: with a slash at its end, without which `/x../` leaves it. */
export function readFolder(
  value: SourcedValue,
  path: string,
  faults: ConfigErrors,
): string | undefined {
  const bare = path.replace(/\/$/, '');
  // Not the root of the machine.
  if (isPath(bare)) return `${bare}/`;
  return faults.add(value, `the absolute path of a folder, such as /srv/files, ${SIGNS}`);
}

/** A log's file. No spaces: what comes after one would be the log's format. */
export function readLogFile(value: SourcedValue, faults: ConfigErrors): string | undefined {
  const path = String(value.value);
  if (isPath(path) && /^[\x21-\x7e]+$/.test(path)) return path;
  return faults.add(value, 'the absolute path of a log, such as /var/log/nginx/access.log');
}

const ORIGIN = /^https?:\/\/([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[\da-f:.]+\])(:\d{1,5})?$/;

/** An origin exactly as a browser sends it: lower case, Punycode, no usual port, nothing after it. */
export function readOrigin(value: SourcedValue, faults: ConfigErrors): string | undefined {
  const text = String(value.value);
  if (
    ORIGIN.test(text) &&
    text.length <= 300 &&
    URL.canParse(text) &&
    new URL(text).origin === text
  ) {
    return text;
  }
  return faults.add(
    value,
    'an origin as browsers send it, such as https://app.example or http://localhost:3000: ' +
      'without path and *, in lower case, in Punycode (xn--…) for other scripts',
  );
}

/** The unencoded characters of a URL (RFC 3986), except those with a meaning for nginx. */
const LOGIN_URL =
  /^(?:https?:\/\/([^/?#]+))?((?:\/[A-Za-z0-9._~:@!*(),+%-]*)*)(\?[A-Za-z0-9._~:@!*(),+%/?&=-]*)?$/;
const BROKEN_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const MAX_LOGIN_LENGTH = 1024;

/**
 * The URL of the login page, up to the place of the requested URL: `/login?return=`. A URL that ends with
 * `=` names its own parameter. A page on another host receives the name of this host, if it is known.
 */
export function readLogin(
  value: SourcedValue,
  publicUrl: string | undefined,
  faults: ConfigErrors,
): string | undefined {
  const text = String(value.value);
  const [found, host, path = ''] = LOGIN_URL.exec(text) ?? [];
  // With two slashes the second would begin a host.
  const legal = host === undefined ? /^\/(?!\/)/.test(path) : isHost(host);
  if (
    found === undefined ||
    !legal ||
    BROKEN_PERCENT.test(text) ||
    text.length > MAX_LOGIN_LENGTH
  ) {
    return faults.add(
      value,
      'a path of this site or a whole URL, such as /login or https://login.example/?next=, ' +
        'without user and #, and with every other character than letters, digits and ._~:@!*(),+- percent-encoded',
    );
  }
  const page = text.endsWith('=') ? text : `${text}${text.includes('?') ? '&' : '?'}return=`;
  return host === undefined ? page : `${page}${encodeURIComponent(publicUrl ?? '')}`;
}

/** No query, no user and no sign that nginx, or a URL's reader, takes for something else. */
const TARGET_URL = /^(https?):\/\/([^/]+)((?:\/[A-Za-z0-9._~-]+)*\/?)$/;

const MAX_TARGET_LENGTH = 1024;

/** Where an internal location proxies to: scheme, host, and a path before that of the file. With a slash at its end. */
export function readTarget(
  value: SourcedValue,
  url: string,
  faults: ConfigErrors,
): string | undefined {
  const [, , authority = '', path = ''] = TARGET_URL.exec(url) ?? [];
  const dots = /\/\.\.?(\/|$)/.test(path);
  if (isHost(authority) && !dots && url.length <= MAX_TARGET_LENGTH)
    return url.endsWith('/') ? url : `${url}/`;
  return faults.add(
    value,
    'the URL of the files, such as https://bucket.store.example or ' +
      'http://127.0.0.1:9000/bucket/: without user, query, % and ..',
  );
}

/** An option's value, as a fault shows it. */
export function given(option: string, value: string): SourcedValue {
  return { field: option, value, shown: quote(value) };
}

/**
 * Does something that gathers faults, and then reports all of them.
 *
 * @throws WrongUsage
 */
export function withFaults<T>(read: (faults: ConfigErrors) => T): T {
  const faults = new ConfigErrors();
  const result = read(faults);
  if (faults.count === 0) return result;
  throw new WrongUsage(`no files were written:\n\n${faults.text}\n`);
}
