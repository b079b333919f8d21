import type { JWK } from 'jose';
import type { Client, TrustedIssuer } from '../domain/client.ts';
import type { Rejection, Signer, Verify } from '../domain/look-up.ts';
import type { Mounts } from '../domain/mount.ts';
import { createSigner } from './claims.ts';
import { type ClientOf, createClientOf } from './clients.ts';
import { createOwnKeys, fileKeys, KeyError, type KeySource } from './keys.ts';
import { remoteKeys } from './remote-keys.ts';
import { createVerify } from './verify.ts';

export interface JwtOptions {
  /** `iss` of Postern's own tokens. */
  readonly issuer: string;
  /** Path of the JWKS file with Postern's own keys. */
  readonly jwtKeys?: string;
  readonly issuers: readonly TrustedIssuer[];
  /** Seconds. */
  readonly leeway: number;
}

export interface JwtDependencies {
  readonly mounts: Mounts;
  readonly readFile: (path: string) => string;
  readonly now: () => number;
  /** Called when an issuer's keys cannot be fetched. */
  readonly onFailure: (issuer: string, error: Error) => void;
  /** Called when a JWT of an API client is rejected. */
  readonly onRejected?: (rejection: Rejection) => void;
}

export interface Jwt {
  readonly verify: Verify;
  readonly signer?: Signer;
  readonly clientOf: ClientOf;
  /** The clients of `downloads` issuers, by `iss`. */
  readonly owners: ReadonlyMap<string, Client>;
  publicJwks(): { readonly keys: readonly JWK[] };
  /**
   * Reads the file with Postern's own keys again; false if none is configured. Throws and keeps the old
   * keys if the file is invalid.
   */
  reload(): Promise<boolean>;
}

/** Opens the keys, and everything that signs or verifies JWTs. @throws KeyError, with the path of the invalid file */
export async function openJwt(options: JwtOptions, deps: JwtDependencies): Promise<Jwt> {
  const { issuer, jwtKeys, issuers, leeway } = options;
  const { mounts, now } = deps;
  const own = jwtKeys === undefined ? undefined : await inFile(jwtKeys, createOwnKeys);
  const trusted = await Promise.all(
    issuers.map(async (one) => ({ ...one, keys: await keysOf(one) })),
  );
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
    clientOf: createClientOf(clients, leeway, now, deps.onRejected),
    owners: new Map(downloads.map((one) => [one.issuer, one.client])),
    publicJwks: () => own?.publicJwks() ?? { keys: [] },
    async reload() {
      if (own === undefined || jwtKeys === undefined) return false;
      await inFile(jwtKeys, own.replace);
      return true;
    },
  };

  async function inFile<T>(path: string, read: (text: string) => Promise<T>): Promise<T> {
    try {
      return await read(deps.readFile(path));
    } catch (error) {
      throw new KeyError(`The keys in ${path} cannot be used: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async function keysOf({ issuer, keys, algorithms }: TrustedIssuer): Promise<KeySource> {
    if ('file' in keys) return inFile(keys.file, (text) => fileKeys(text, algorithms));
    const onFailure = (error: Error) => deps.onFailure(issuer, error);
    return remoteKeys({ uri: keys.uri, algorithms, now, onFailure });
  }
}
