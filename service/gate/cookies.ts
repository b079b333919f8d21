import type { Allow, Cookie } from '../domain/decision.ts';

/** Attributes of every cookie that is set (RFC 6265bis). */
export interface CookieSettings {
  readonly sameSite: 'Lax' | 'Strict' | 'None';
  readonly secure: boolean;
}

/**
 * Seconds that the resume cookie is kept at least: over a browser's restart, after which it resumes
 * its downloads, and longer than most grants are prolonged. Of itself it is worth nothing.
 */
const RESUME_MIN_AGE = 7 * 86_400;

const NONE: readonly string[] = [];

/** The `Set-Cookie` values that an allow asks for; the most are two. */
export function setCookies(decision: Allow, settings: CookieSettings): readonly string[] {
  const { grant, resumeCookie, tokenCookie } = decision;
  if (resumeCookie === undefined && tokenCookie === undefined) return NONE;
  const lifetime = Math.ceil((grant.expiresAt - grant.issuedAt) / 1000);
  const age = `; Max-Age=${Math.max(RESUME_MIN_AGE, lifetime, grant.uses?.resumeFor ?? 0)}`;
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
