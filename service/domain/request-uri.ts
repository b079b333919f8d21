import type { Mount, Mounts } from './mount.ts';
import { decodeArgument, decodePath, pathFault, prefixFault } from './path.ts';
import { isToken } from './token.ts';

/**
 * Longest query that is passed on, encoded. With a path, a subject and a file name of the greatest
 * length the answer still fits the snippets' buffer of 16k; past it nginx counts the gate as failed.
 */
const MAX_ARGS_LENGTH = 2048;

/** A request as the client sent it, read once. */
export interface Requested {
  readonly site: string;
  readonly mount: Mount | undefined;
  /** Decoded and checked, without the token. */
  readonly path: string;
  /** The token in the URL, by segment or by query. */
  readonly token: string | undefined;
  /** The path as the client spells it, with the token's segment. */
  readonly rawPath: string;
  /** The same without the token's segment; equal to `rawPath` if there is none. */
  readonly tokenlessPath: string;
  /** The query for the internal location, without its `?`; empty if there is none. */
  readonly args: string;
  /** Whether the query has arguments that change nothing. */
  readonly hasUnused: boolean;
}

/**
 * Reads a request-target (nginx's `$request_uri`, one character a byte).
 * Undefined if it is malformed, or names two tokens; `'folder'` if the path is one of a mount.
 */
export function parseRequestUri(
  uri: string,
  site: string,
  mounts: Mounts,
): Requested | 'folder' | undefined {
  // Neither is ever raw in a request-target; with a space Node joins a header that came twice.
  if (uri.includes('#') || uri.includes(' ')) return undefined;
  const mark = uri.indexOf('?');
  const raw = mark < 0 ? uri : uri.slice(0, mark);
  const query = mark < 0 ? '' : uri.slice(mark + 1);

  const decoded = decodePath(raw);
  if (decoded === undefined) return undefined;
  const mount = mounts.find(site, decoded);
  const split = splitToken(decoded, raw, mount?.prefix);
  if (split === undefined) return undefined;
  // nginx chose the location with the token in the path. Where the path without it lies in a nested
  // mount, the rules of that mount's location would be passed by.
  if (split.token !== undefined && mounts.find(site, split.path) !== mount) return undefined;
  const asked = readQuery(query, mount);
  if (asked === undefined) return undefined;
  if (split.token !== undefined && asked.token !== undefined) return undefined;

  let path = split.path;
  if (mount?.pathArgument !== undefined) {
    if (path !== mount.prefix || asked.path === undefined) return undefined;
    path = mount.prefix + asked.path;
  }
  if (pathFault(path) !== undefined) {
    return mount !== undefined && prefixFault(path) === undefined ? 'folder' : undefined;
  }
  if (asked.args.length > MAX_ARGS_LENGTH) return undefined;
  const { token = split.token, args, hasUnused } = asked;
  return { site, mount, path, token, rawPath: raw, tokenlessPath: split.raw, args, hasUnused };
}

/** The token in the segment `~<token>` that may stand right after the mount's prefix. */
export function tokenSegment(path: string, prefix: string): string | undefined {
  if (path[prefix.length] !== '~') return undefined;
  const end = path.indexOf('/', prefix.length);
  const token = path.slice(prefix.length + 1, end < 0 ? undefined : end);
  return isToken(token) ? token : undefined;
}

interface Split {
  readonly path: string;
  readonly raw: string;
  readonly token?: string;
}

/** Takes the token's segment out of a path and of its raw form; undefined if the token is encoded. */
function splitToken(path: string, raw: string, prefix: string | undefined): Split | undefined {
  const token = prefix === undefined ? undefined : tokenSegment(path, prefix);
  if (prefix === undefined || token === undefined) return { path, raw };
  // Neither form has an encoded slash, so a segment has the same place in both.
  const segments = raw.split('/');
  const at = prefix.split('/').length - 1;
  // What is recognized as the token must be exactly what is removed. No client encodes its characters;
  // some encode the "~".
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
  for (const pair of query.split('&')) {
    const mark = pair.indexOf('=');
    const name = mark < 0 ? pair : pair.slice(0, mark);
    const value = mark < 0 ? '' : pair.slice(mark + 1);
    if (name === 'token') {
      if (tokenSeen) return undefined;
      tokenSeen = true;
      if (isToken(value)) read.token = value;
      else read.hasUnused = true;
    } else if (name === mount?.pathArgument) {
      // Two of them: which one counts is anybody's guess.
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
