import type { GateRequest } from './decision.ts';
import { isToken } from './token.ts';

/** Tokens in cookies that are tried: nested folders have one each. */
const MOST_COOKIES = 4;

/**
 * The tokens that a request presents: the first that is shaped like one of URL, Authorization and
 * cookies; another application's credential counts as absent. Only cookies can be several, as a
 * browser sends all that it still holds for a folder and those above it.
 */
export function tokensOf(request: GateRequest, inUrl: string | undefined): readonly string[] {
  const token = inUrl ?? bearer(request.authorization);
  if (token !== undefined) return [token];
  return cookieTokens(request.cookie).slice(0, MOST_COOKIES);
}

export function cookieTokens(cookie: string | undefined): readonly string[] {
  return cookie?.split(' ').filter(isToken) ?? [];
}

function bearer(authorization: string | undefined): string | undefined {
  const credential = authorization && /^bearer +(\S+)$/i.exec(authorization)?.[1];
  return credential && isToken(credential) ? credential : undefined;
}
