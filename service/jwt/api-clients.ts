import type { JWTPayload } from 'jose';
import { text } from '../schema.ts';
import { prefixError } from '../site/path.ts';
import type { Client, Scope } from '../token/client.ts';
import type { Rejection } from '../token/look-up.ts';
import { isDownloadJwt } from '../token/token.ts';
import type { OpenIssuer } from './keys.ts';
import { checkJwt, type Trusted, unverifiedClaims } from './verify.ts';

/** OpenID Connect Core, section 2. */
const SUB = text(255);

/**
 * Identifies clients by JWTs of an identity provider, such as OAuth 2.0 access tokens (RFC 9068). Its users
 * may issue tokens for the paths that their claims allow.
 */
export function createClientOf(
  issuers: readonly OpenIssuer[],
  leeway: number,
  now: () => number,
  onRejected: (rejection: Rejection) => void = () => {},
): (credential: string) => Promise<Client | undefined> {
  const byIssuer = new Map<unknown, Trusted<Client>>();
  for (const one of issuers) {
    const { issuer, audience, keys } = one;
    byIssuer.set(issuer, {
      ...{ issuer, audience, keys, requiredClaims: ['sub', 'exp'] },
      read: (claims) => asClient(claims, one),
    });
  }
  return async function clientOf(credential) {
    // A download token cannot call the API.
    if (isDownloadJwt(credential)) return undefined;
    const trusted = byIssuer.get(unverifiedClaims(credential).iss);
    if (trusted === undefined) return undefined;
    const client = await checkJwt(credential, trusted, { leeway, at: now() });
    if (!('reason' in client)) return client;
    onRejected(client);
    return undefined;
  };
}

function asClient(claims: JWTPayload, issuer: OpenIssuer): Client | Rejection {
  const { data: sub, error } = SUB.safeParse(claims.sub);
  if (sub === undefined) return { reason: `sub: ${error.issues[0]?.message}` };
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
