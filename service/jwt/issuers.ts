import type { JWTPayload } from 'jose';
import { text } from '../issue/fields.ts';
import { prefixError } from '../paths/path.ts';
import type { Client, Scope } from '../token/client.ts';
import type { Rejection } from '../token/look-up.ts';
import { JWT_TYPE, typeOf } from '../token/token.ts';
import type { KeySource } from './keys.ts';
import { checkJwt, type Trusted, unverifiedClaims } from './verify.ts';

export interface TrustedIssuer extends Omit<Client, 'subject' | 'admin'> {
  /** Exactly the `iss` claim. */
  readonly issuer: string;
  readonly keys: { readonly uri: string } | { readonly file: string };
  /** Exactly the `aud` claim. */
  readonly audience: string;
  /** `downloads`: it signs download tokens. `clients`: its JWTs may call the API. */
  readonly trustedFor: 'downloads' | 'clients';
  readonly algorithms: readonly string[];
  /** For `clients`, a segment can be a claim in braces: `/download/users/{sub}/`. */
  readonly paths: readonly Scope[];
  /** For `downloads`: the ID of the API key that may revoke its tokens. */
  readonly client?: string;
}

export type OpenIssuer = Omit<TrustedIssuer, 'algorithms' | 'keys' | 'trustedFor'> & {
  readonly keys: KeySource;
};

/** Separates issuers by `trusted_for`. One that signs download tokens has a client, which owns them. */
export function byPurpose(issuers: ReadonlyArray<OpenIssuer & Pick<TrustedIssuer, 'trustedFor'>>) {
  return {
    clients: issuers.filter(({ trustedFor }) => trustedFor === 'clients'),
    downloads: issuers
      .filter(({ trustedFor }) => trustedFor === 'downloads')
      .map(({ client: owner, id, ...one }) => ({ ...one, client: { ...one, id: owner ?? id } })),
  };
}

/** Entra ID writes at most 200 groups into a JWT: 13,300 characters. Other programs reject headers of 16 KiB, too. */
const MAX_CLIENT_JWT_LENGTH = 16_000;

/** OpenID Connect Core, section 2. */
const SUB = text(255);

/** Identifies clients by JWTs of an identity provider (RFC 9068). Its users may issue for the paths in their claims. */
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
    if (credential.length > MAX_CLIENT_JWT_LENGTH) return undefined;
    const type = typeOf(credential);
    // A download token cannot call the API.
    if (type === undefined || type === JWT_TYPE) return undefined;
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
