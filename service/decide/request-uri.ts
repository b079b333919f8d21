import type { Mount, Mounts } from '../paths/mount.ts';
import {
  decodeArgument,
  decodePath,
  MAX_COOKIE_PATH_LENGTH,
  pathError,
  prefixError,
} from '../paths/path.ts';
import { type Grant, isFolder } from '../token/grant.ts';
import { isToken, tokenSegment } from '../token/token.ts';
import { holdsToken, MAX_TEXT_LENGTH } from '../token/without-tokens.ts';

/**
 * Maximum length of the passed query, encoded. With the longest path, subject and file name, the response still fits the
 * snippets' buffer of 32k.
 */
const MAX_ARGS_LENGTH = 2048;

/** Arguments that are read. */
const MAX_PAIRS = 256;

/** The longest path, token and passed query fit, all encoded. nginx accepts 8 KiB unless it is configured otherwise. */
const MAX_URI_LENGTH = 16 * 1024;

export interface Requested {
  readonly site: string;
  readonly mount: Mount | undefined;
  /** Decoded and checked, without the token. A folder ends with a slash. */
  readonly path: string;
  /** The token in the URL: in a path segment or in the query. */
  readonly token: string | undefined;
  /** The undecoded path, with the token's segment. */
  readonly rawPath: string;
  /** `rawPath` without the token's segment. */
  readonly tokenlessPath: string;
  /** The query for the internal location, without its `?`; empty if there is none. */
  readonly args: string;
  /** Whether the query has arguments without an effect. */
  readonly hasUnused: boolean;
}

/**
 * Parses a request-target (nginx's `$request_uri`). Undefined if it is malformed or has two tokens.
 *
 * @example
 * ```ts
 * parseRequestUri(`/download/~${token}/a.pdf`, 'files.example', mounts)?.path; // '/download/a.pdf'
 * ```
 */
export function parseRequestUri(uri: string, site: string, mounts: Mounts): Requested | undefined {
  // Neither is valid in a request-target. A space may mean that Node joined two headers of this name.
  if (uri.length > MAX_URI_LENGTH || uri.includes('#') || uri.includes(' ')) return undefined;
  const mark = uri.indexOf('?');
  const raw = mark < 0 ? uri : uri.slice(0, mark);
  const query = mark < 0 ? '' : uri.slice(mark + 1);

  const decoded = decodePath(raw);
  if (decoded === undefined) return undefined;
  const mount = mounts.find(site, decoded);
  const split = splitToken(decoded, raw, mount?.prefix);
  if (split === undefined) return undefined;
  // nginx chose the location by the path with the token: the rules of a nested mount's location would be bypassed.
  if (split.token !== undefined && mounts.find(site, split.path) !== mount) return undefined;
  const asked = readQuery(query, mount);
  if (asked === undefined) return undefined;
  if (split.token !== undefined && asked.token !== undefined) return undefined;

  let path = split.path;
  if (mount?.pathArgument !== undefined) {
    if (path !== mount.prefix || asked.path === undefined) return undefined;
    path = mount.prefix + asked.path;
  }
  if (pathError(path) !== undefined && (mount === undefined || prefixError(path) !== undefined)) {
    return undefined;
  }
  if (asked.args.length > MAX_ARGS_LENGTH) return undefined;
  const { token = split.token, args, hasUnused } = asked;
  return { site, mount, path, token, rawPath: raw, tokenlessPath: split.raw, args, hasUnused };
}

/** Removes the token's segment from a path and its raw form; undefined if the token is encoded. */
function splitToken(path: string, raw: string, prefix: string | undefined) {
  const token = prefix === undefined ? undefined : tokenSegment(path, prefix);
  if (prefix === undefined || token === undefined) return { path, raw, token };
  // Neither form has an encoded slash, so a segment has the same index in both.
  const segments = raw.split('/');
  const at = prefix.split('/').length - 1;
  // The removed segment must be exactly the token. No program encodes a token's characters, but some encode the "~".
  if (segments[at]?.replace(/^%7e/i, '~') !== `~${token}`) return undefined;
  return {
    path: prefix + path.slice(prefix.length + token.length + 2),
    raw: [...segments.slice(0, at), segments.slice(at + 1).join('/')].join('/'),
    token,
  };
}

interface Query {
  token?: string;
  path?: string;
  args: string;
  hasUnused: boolean;
}

function readQuery(query: string, mount: Mount | undefined): Query | undefined {
  const read: Query = { args: '', hasUnused: false };
  if (query === '') return read;
  let tokenSeen = false;
  const pairs = query.split('&', MAX_PAIRS + 1);
  if (pairs.length > MAX_PAIRS) return undefined;
  for (const pair of pairs) {
    const mark = pair.indexOf('=');
    const name = mark < 0 ? pair : pair.slice(0, mark);
    const value = mark < 0 ? '' : pair.slice(mark + 1);
    if (name === 'token') {
      if (tokenSeen) return undefined;
      tokenSeen = true;
      if (isToken(value)) read.token = value;
      else read.hasUnused = true;
    } else if (name === mount?.pathArgument) {
      // With two such arguments, the path is ambiguous.
      const path = decodeArgument(value);
      if (read.path !== undefined || path === undefined) return undefined;
      read.path = path;
    } else if (mount?.passArguments.includes(name)) {
      const passed = decodeArgument(value);
      if (passed === undefined) return undefined;
      read.args += `${read.args === '' ? '' : '&'}${name}=${encodeURIComponent(passed)}`;
    } else {
      read.hasUnused = true;
    }
  }
  return read;
}

/** Arguments of a URL to return to, which are searched for tokens one by one. */
const MAX_RETURN_PAIRS = 32;

/**
 * The URL without tokens, for a login page that sends the browser back: an old token would leak to that page. It is
 * percent-encoded as a whole, which nginx cannot do. Undefined if it is too long or still has a token.
 */
export function returnUrl(uri: string, { rawPath, tokenlessPath }: Requested): string | undefined {
  // `pathError` has rejected `//` and backslashes, so the path cannot name another site.
  const pairs = uri
    .slice(rawPath.length + 1)
    .split('&', MAX_PAIRS)
    .filter((pair) => pair !== '' && pair !== 'token' && !pair.startsWith('token='));
  const join = (kept: readonly string[]) =>
    kept.length === 0 ? tokenlessPath : `${tokenlessPath}?${kept.join('&')}`;
  let url = join(pairs);
  if (url.length > MAX_TEXT_LENGTH || pairs.length > MAX_RETURN_PAIRS) return undefined;
  if (holdsToken(url)) {
    url = join(pairs.filter((pair) => !holdsToken(pair)));
    if (holdsToken(url)) return undefined;
  }
  return encodeURIComponent(Buffer.from(url, 'latin1').toString('utf8'));
}

/**
 * The path of the token cookie: the covered folder as the requester spells it, without the token's segment. Undefined if
 * a cookie cannot have this path: a wider path would send the token with requests that it does not cover.
 */
export function tokenCookiePath(requested: Requested, { covers }: Grant): string | undefined {
  const path = firstSegments(requested.tokenlessPath, depthOf(covers));
  return validPart(path) === path ? path : undefined;
}

/**
 * The path of the resume cookie: what the grant covers as the requester spells it, with the token's segment, which its next
 * URLs have too. A wider folder if a cookie cannot have this path: without the token the cookie is worthless.
 */
export function resumeCookiePath(requested: Requested, mount: Mount, grant: Grant): string {
  const { rawPath, tokenlessPath } = requested;
  if (!isFolder(grant.covers) || mount.pathArgument !== undefined) return validPart(rawPath);
  if (tokenlessPath === rawPath) return validPart(firstSegments(rawPath, depthOf(grant.covers)));
  // With a token cookie, the next URLs may lack the token's segment.
  const depth = grant.cookie ? depthOf(mount.prefix) : depthOf(grant.covers) + 1;
  return validPart(firstSegments(rawPath, depth));
}

function firstSegments(path: string, count: number): string {
  return `${path.split('/').slice(0, count).join('/')}/`;
}

/** Number of segments before a folder's last slash, including the empty first one. */
function depthOf(folder: string): number {
  return folder.split('/').length - 1;
}

/** Cuts a path back to a folder if it is too long or has a character that ends it in a cookie. */
function validPart(path: string): string {
  const end = path.search(/[^\x21-\x3a\x3c-\x7e]/);
  const length = Math.min(end < 0 ? path.length : end, MAX_COOKIE_PATH_LENGTH);
  return length === path.length ? path : path.slice(0, path.lastIndexOf('/', length - 1) + 1);
}
