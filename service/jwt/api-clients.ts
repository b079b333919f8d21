import type { JWTPayload } from 'jose';
import { prefixError } from '../site/path.ts';
import type { Client, Scope } from '../token/client.ts';
import type { Rejection } from '../token/look-up.ts';
import { isDownloadJwt } from '../token/token.ts';
import { checkJwt } from './check.ts';
import { type OpenIssuer, unverifiedClaims } from './keys.ts';

type ClientOf = (credential: string) => Promise<Client | undefined>;

/** OpenID Connect Core, section 2. */
const MAX_SUB = 255;

/**
 * Identifies clients by JWTs of an identity provider, such as OAuth 2.0 access tokens (RFC 9068). Its users
 * may issue tokens for the paths that their claims allow.
 */
export function createClientOf(
  issuers: readonly OpenIssuer[],
  leeway: number,
  now: () => number,
  onRejected: (rejection: Rejection) => void = () => {},
): ClientOf {
  const byIssuer = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  return async function clientOf(credential) {
    // A download token cannot call the API.
    if (isDownloadJwt(credential)) return undefined;
    const { iss } = unverifiedClaims(credential);
    const trusted = iss === undefined ? undefined : byIssuer.get(iss);
    if (trusted === undefined) return undefined;
    const { issuer, audience, keys } = trusted;
    const options = { issuer, audience, requiredClaims: ['sub', 'exp'], leeway, at: now() };
    const checked = await checkJwt(credential, keys, options);
    const client = 'claims' in checked ? asClient(checked.claims, trusted) : checked;
    if (!('reason' in client)) return client;
    onRejected({ ...client, issuer });
    return undefined;
  };
}

function asClient(claims: JWTPayload, issuer: OpenIssuer): Client | Rejection {
  const { sub } = claims;
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUB) {
    return { reason: `sub: must have 1 to ${MAX_SUB} characters` };
  }
  if (!sub.isWellFormed() || /\p{Cc}/u.test(sub)) {
    return { reason: 'sub: must be valid Unicode without control characters' };
  }
  const { id, paths, targets, maxExpiresIn, maxResumeFor } = issuer;
  return {
    // Each user is a client with its own tokens. The ID of an API key has no slash.
    id: `${id}/${encodeURIComponent(sub)}`,
    subject: sub,
    paths: paths.flatMap((scope) => fillClaims(scope, claims)),
    targets,
    maxExpiresIn,
    maxResumeFor,
  };
}

/** A claim's name may be a URL and contain slashes. */
const CLAIM = /(?<=\/)\{([^{}]+)\}(?=\/)/g;

/** Fills claims into a prefix; empty if a claim is missing or is not a path segment. */
function fillClaims({ site, prefix }: Scope, claims: JWTPayload): Scope[] {
  const concrete = prefix.replace(CLAIM, (_, name: string) => {
    const claim = claims[name];
    // An empty segment makes the prefix invalid.
    return typeof claim === 'string' && !claim.includes('/') ? claim : '';
  });
  if (prefixError(concrete) !== undefined) return [];
  return [{ ...(site !== undefined && { site }), prefix: concrete }];
}
