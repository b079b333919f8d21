import type { Requested } from './request-uri.ts';
import { isToken, withoutTokens } from './token.ts';

/** Longest that is told, encoded: it becomes a part of a Location. */
const MAX_LENGTH = 2048;

/**
 * The path and query that were asked for, without their tokens: where a login page may send the
 * browser back to. A stale token there would leak to that page, and be tried again after it.
 * As nginx cannot encode, it is percent-encoded whole, to be the value of a query argument.
 * Undefined where that is too long, or still holds a token.
 */
export function returnUrl(uri: string, { rawPath, segment }: Requested): string | undefined {
  // `rawPath` has passed the rules of a path, so this can be no other site's: no `//`, no backslash.
  const path = segment === undefined ? rawPath : withoutSegment(rawPath, segment);
  const query = uri
    .slice(rawPath.length + 1)
    .split('&')
    .filter((pair) => pair !== '' && !holdsToken(pair))
    .join('&');
  const url = query === '' ? path : `${path}?${query}`;
  // One that stands elsewhere, where it counts for nothing, may still be good.
  if (withoutTokens(url) !== url) return undefined;
  const encoded = encodeURIComponent(Buffer.from(url, 'latin1').toString('utf8'));
  return encoded.length > MAX_LENGTH ? undefined : encoded;
}

function withoutSegment(path: string, token: string): string {
  const at = path.indexOf(token);
  const before = path.slice(0, at).replace(/(?:~|%7e)$/i, '');
  return before + path.slice(at + token.length).replace(/^\//, '');
}

function holdsToken(pair: string): boolean {
  const mark = pair.indexOf('=');
  return pair.slice(0, mark < 0 ? undefined : mark) === 'token' || isToken(pair.slice(mark + 1));
}
