import type { Allow, Cookie } from '../domain/decision.ts';

/** Attributes of every cookie that is set (RFC 6265bis). */
export interface CookieSettings {
  readonly sameSite: 'Lax' | 'Strict' | 'None';
  readonly secure: boolean;
}

/**
 * Seconds that the resume cookie is kept: over a browser's restart, after which it resumes its
 * downloads, and longer than most grants are prolonged. Of itself it is worth nothing.
 */
const RESUME_MAX_AGE = 7 * 86_400;

/** The `Set-Cookie` values that an allow asks for; the most are two. */
export function setCookies(decision: Allow, settings: CookieSettings): readonly string[] {
  const { resumeCookie, tokenCookie } = decision;
  if (resumeCookie === undefined && tokenCookie === undefined) return [];
  const age = `; Max-Age=${RESUME_MAX_AGE}`;
  const attributes = `; HttpOnly; SameSite=${settings.sameSite}${settings.secure ? '; Secure' : ''}`;
  return [
    ...(resumeCookie ? [`${pair('postern_resume', resumeCookie)}${age}${attributes}`] : []),
    // With the browser it ends: a grant may be prolonged, and its cookie not with it.
    ...(tokenCookie ? [pair('postern', tokenCookie) + attributes] : []),
  ];
}

function pair(name: string, { value, path }: Cookie): string {
  return `${name}=${value}; Path=${path}`;
}
