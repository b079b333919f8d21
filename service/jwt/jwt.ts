import type { JWK, JWTPayload } from 'jose';
import { text } from '../issue/fields.ts';
import type { Mounts } from '../paths/mount.ts';
import { prefixError } from '../paths/path.ts';
import type { Client, Scope, TrustedIssuer } from '../token/client.ts';
import type { Rejection } from '../token/look-up.ts';
import { JWT_TYPE, typeOf } from '../token/token.ts';
import { createSigner } from './claims.ts';
import {
  createOwnKeys,
  type FetchedKeys,
  fileKeys,
  type KeySource,
  type OpenIssuer,
  remoteKeys,
} from './keys.ts';
import { checkJwt, createVerify, type Trusted, unverifiedClaims } from './verify.ts';

interface JwtOptions {
  /** `iss` of Postern's own tokens. */
  readonly issuer: string;
  /** Path of the JWKS file with Postern's own keys. */
  readonly jwtKeys?: string | undefined;
  readonly issuers: readonly TrustedIssuer[];
  readonly leeway: number;
}

interface JwtDependencies {
  readonly mounts: Mounts;
  readonly readFile: (path: string) => string;
  readonly now: () => number;
  readonly fetchedKeys?: FetchedKeys;
  /** Called when an issuer's keys cannot be fetched. */
  readonly onFailure: (issuer: string, error: Error) => void;
  /** Called when a JWT of an API client is rejected. */
  readonly onRejected?: (rejection: Rejection) => void;
}

export type Jwt = Awaited<ReturnType<typeof openJwt>>;

type KeyFileProblems = ReadonlyArray<{ readonly file: string; readonly reason: string }>;

/** Files of keys cannot be used. The message names all of them. */
export class KeyFilesError extends Error {
  override readonly name = 'KeyFilesError';
  readonly problems: KeyFileProblems;

  constructor(problems: KeyFileProblems) {
    const lines = problems.map(
      ({ file, reason }) => `The keys in ${file} cannot be used: ${reason}`,
    );
    super(lines.join('\n'));
    this.problems = problems;
  }
}

/** Opens the keys, and everything that signs or verifies JWTs. @throws KeyFilesError */
export async function openJwt(
  { issuer, jwtKeys, issuers, leeway }: JwtOptions,
  { mounts, readFile, now, fetchedKeys = new Map(), onFailure, onRejected }: JwtDependencies,
) {
  const problems: Array<KeyFileProblems[number]> = [];
  const own =
    jwtKeys === undefined ? undefined : await inFile('jwt_keys_file', jwtKeys, createOwnKeys);
  const trusted = await Promise.all(
    issuers.map(async (one) => ({ ...one, keys: await keysOf(one) })),
  );
  if (problems.length > 0) throw new KeyFilesError(problems);
  const clients = trusted.filter(({ trustedFor }) => trustedFor === 'clients');
  const downloads = trusted
    .filter(({ trustedFor }) => trustedFor === 'downloads')
    .map(({ client: owner, id, ...one }) => ({ ...one, client: { ...one, id: owner ?? id } }));
  return {
    verify: createVerify({
      ...(own && { own: { issuer, keys: own } }),
      issuers: downloads,
      mounts,
      leeway,
      now,
    }),
    ...(own && { signer: createSigner(own, issuer) }),
    clientOf: createClientOf(clients, leeway, now, onRejected),
    owners: new Map<string, Client>(downloads.map((one) => [one.issuer, one.client])),
    publicJwks: (): { readonly keys: readonly JWK[] } => own?.publicJwks ?? { keys: [] },
  };

  /** Undefined, with a problem, if the file cannot be used. */
  async function inFile<T>(setting: string, path: string, read: (text: string) => Promise<T>) {
    // A path is named only if there is such a file: a secret can be in its setting.
    let file = setting;
    try {
      const text = readFile(path);
      file = path;
      return await read(text);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      problems.push({
        file,
        reason: file === path ? message : `no such file can be read (${code})`,
      });
      return undefined;
    }
  }

  async function keysOf({ id, issuer, keys, algorithms }: TrustedIssuer): Promise<KeySource> {
    if ('file' in keys) {
      const read = await inFile(`the jwks_file of ${id}`, keys.file, (text) =>
        fileKeys(text, algorithms),
      );
      return read ?? (async () => undefined);
    }
    const failed = (error: Error) => onFailure(issuer, error);
    return remoteKeys(keys.uri, algorithms, fetchedKeys, now, failed);
  }
}

/** Entra ID writes at most 200 groups into a JWT: 13,300 characters. Other programs reject headers of 16 KiB, too. */
const MAX_CLIENT_JWT_LENGTH = 16_000;

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
