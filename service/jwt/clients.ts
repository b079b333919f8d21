import type { JWTPayload } from 'jose';
import type { Client, Scope } from '../domain/client.ts';
import type { Rejection } from '../domain/look-up.ts';
import { prefixFault } from '../domain/path.ts';
import { isDownloadJwt } from '../domain/token.ts';
import { type KeySource, saidOf } from './keys.ts';
import { checkJwt } from './verify.ts';

/** An identity provider whose users may ask for tokens, each for what its claims say. */
export interface ClientIssuer {
  readonly id: string;
  /** `iss` and `aud` of its JWTs. */
  readonly issuer: string;
  readonly audience: string;
  readonly keys: KeySource;
  /** May hold claims as whole segments: `/download/users/{sub}/`. */
  readonly paths: readonly Scope[];
  readonly targets: readonly string[];
  /** Seconds. */
  readonly maxExpiresIn: number;
  readonly maxResumeFor: number;
}

export type ClientOf = (credential: string) => Promise<Client | undefined>;

/** OpenID Connect Core, section 2. */
const MAX_SUB = 255;

/** Clients by the JWT of an identity provider, such as an OAuth 2.0 access token (RFC 9068). */
export function createClientOf(
  issuers: readonly ClientIssuer[],
  leeway: number,
  now: () => number,
  onRejected: (rejection: Rejection) => void = () => {},
): ClientOf {
  const byIssuer = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  return async function clientOf(credential) {
    // A download token opens files, and asks for no other.
    if (isDownloadJwt(credential)) return undefined;
    const { iss } = saidOf(credential);
    const trusted = iss === undefined ? undefined : byIssuer.get(iss);
    if (trusted === undefined) return undefined;
    const { issuer, audience, keys } = trusted;
    const options = { issuer, audience, requiredClaims: ['sub', 'exp'], leeway, now };
    const checked = await checkJwt(credential, keys, options);
    const client = 'claims' in checked ? asClient(checked.claims, trusted) : checked;
    if (!('reason' in client)) return client;
    onRejected({ ...client, issuer });
    return undefined;
  };
}

function asClient(claims: JWTPayload, issuer: ClientIssuer): Client | Rejection {
  const { sub } = claims;
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUB) {
    return { reason: `sub: must have 1 to ${MAX_SUB} characters` };
  }
  if (!sub.isWellFormed() || /\p{Cc}/u.test(sub)) {
    return { reason: 'sub: must be valid Unicode without control characters' };
  }
  const { id, paths, targets, maxExpiresIn, maxResumeFor } = issuer;
  return {
    // Each user is a client, who owns its own tokens. No API key's id holds a slash.
    id: `${id}/${encodeURIComponent(sub)}`,
    subject: sub,
    paths: paths.flatMap((scope) => filled(scope, claims)),
    targets,
    maxExpiresIn,
    maxResumeFor,
  };
}

/** A claim's name may be a URL, and hold slashes itself. */
const CLAIM = /(?<=\/)\{([^{}]+)\}(?=\/)/g;

/** A prefix with the claims in it; none where one is not there, or is no path segment. */
function filled({ site, prefix }: Scope, claims: JWTPayload): Scope[] {
  let whole = true;
  const concrete = prefix.replace(CLAIM, (_, name: string) => {
    const claim = claims[name];
    if (typeof claim === 'string' && !claim.includes('/')) return claim;
    whole = false;
    return '';
  });
  if (!whole || prefixFault(concrete) !== undefined) return [];
  return [{ ...(site !== undefined && { site }), prefix: concrete }];
}
