import { isToken } from '../token/token.ts';
import type { GateRequest } from './decision.ts';

/** Cookies that are tried: nested folders have one each, and a browser sends all of them. */
const MAX_COOKIES = 4;

/** Values that are read to find them: each can be the beginning of a JWT, which must be decoded. */
const MAX_VALUES = 40;

/**
 * The tokens to try: the one in the URL, else the one in Authorization, else those in cookies. A
 * credential of another application is ignored.
 */
export function tokensOf(request: GateRequest, inUrl: string | undefined): readonly string[] {
  const token = inUrl ?? bearerToken(request.authorization);
  if (token !== undefined) return [token];
  return cookieTokens(request.cookie).slice(0, MAX_COOKIES);
}

export function cookieTokens(cookie: string | undefined): readonly string[] {
  return cookie?.split(' ', MAX_VALUES).filter(isToken) ?? [];
}

function bearerToken(authorization: string | undefined): string | undefined {
  const credential = authorization && /^bearer +(\S+)$/i.exec(authorization)?.[1];
  return credential && isToken(credential) ? credential : undefined;
}
