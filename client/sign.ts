import { type JWK, SignJWT } from 'jose';
import type { SignRequest } from './types.ts';

export type { SignRequest } from './types.ts';

/** The issuer, as in `issuers` of Postern's configuration. */
export interface Signing {
  /** A private key with `kid` and `alg`: EdDSA, ES256 or RS256. */
  readonly key: JWK;
  /** `issuer` of its entry. */
  readonly issuer: string;
  /** `audience` of its entry. */
  readonly audience: string;
}

/** A signed token. Postern first sees it when a client uses it. */
export interface SignedToken {
  /** The JWT. */
  readonly access_token: string;
  /** The ID of the token. With `iss` and `exp`, it revokes the token. */
  readonly jti: string;
  /** The end of the token, in seconds since 1970. */
  readonly exp: number;
  /** The URL of the file on the site; absent for a `prefix`. */
  readonly url?: string;
}

/**
 * Signs a download token without calling Postern, which must trust this issuer for downloads.
 *
 * @throws TypeError if the key has no `kid` or `alg`, or the request has no `expires_in`
 *
 * @example
 * ```ts
 * const { url } = await sign(
 *   { path: '/download/shop/film.mp4', expires_in: 120 },
 *   { key, issuer: 'https://shop.example', audience: 'https://files.example' },
 * );
 * ```
 */
export async function sign(
  { subject, expires_in: expiresIn, ...fields }: SignRequest,
  { key, issuer, audience }: Signing,
): Promise<SignedToken> {
  const { kid, alg } = key;
  if (!kid || !alg) throw new TypeError('key: expected a private JWK with kid and alg');
  if (!expiresIn) throw new TypeError('expires_in: expected a number of seconds');
  const iat = Math.floor(Date.now() / 1000);
  const starts = iat + expiresIn;
  const jti = crypto.randomUUID();
  const { resume_for: resumeFor = 0 } = fields;
  const exp = starts + resumeFor;
  const claims = {
    ...fields,
    iss: issuer,
    aud: audience,
    jti,
    iat,
    exp,
    ...(subject !== undefined && { sub: subject }),
    // Until when a new requester can start. The others can resume until `exp`.
    ...(resumeFor > 0 && { start_by: starts }),
  };
  const jwt = new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'postern+jwt' });
  const token = await jwt.sign(key);
  const { path } = fields;
  const url = path && `${path.split('/').map(encodeURIComponent).join('/')}?token=${token}`;
  return { access_token: token, jti, exp, ...(url && { url }) };
}
