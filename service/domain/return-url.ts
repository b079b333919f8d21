import type { Requested } from './request-uri.ts';
import { holdsToken } from './without-tokens.ts';

/** Longest value, encoded: it becomes a part of a Location. */
const MAX_LENGTH = 2048;

/**
 * The path and query of a request without their tokens, for a login page that sends the browser back.
 * A stale token in it would leak to that page, and be used again afterwards.
 * nginx cannot encode, so this is percent-encoded as a whole, ready as the value of a query argument.
 * Undefined if it is too long, or if a token remains in it.
 */
export function returnUrl(uri: string, { rawPath, tokenlessPath }: Requested): string | undefined {
  // The path has passed the rules of `pathFault`, so it cannot name another site: no `//`, no backslash.
  const pairs = uri
    .slice(rawPath.length + 1)
    .split('&')
    .filter((pair) => pair !== '' && !isNamedToken(pair));
  // Encoding makes it longer, and to look for tokens in 16 KB takes milliseconds.
  if (join(tokenlessPath, pairs).length > MAX_LENGTH) return undefined;
  const url = join(
    tokenlessPath,
    pairs.filter((pair) => !holdsToken(pair)),
  );
  if (holdsToken(url)) return undefined;
  const encoded = encodeURIComponent(Buffer.from(url, 'latin1').toString('utf8'));
  return encoded.length > MAX_LENGTH ? undefined : encoded;
}

function join(path: string, pairs: readonly string[]): string {
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}

/** Also if its value is not shaped like a token. */
function isNamedToken(pair: string): boolean {
  return pair === 'token' || pair.startsWith('token=');
}
