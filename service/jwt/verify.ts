import type { Client } from '../domain/client.ts';
import type { Mounts } from '../domain/mount.ts';
import type { Verified, Verify } from '../domain/signed.ts';
import { JWT_TYPE, jwtId } from '../domain/token.ts';
import { checkJwt } from './check.ts';
import { ownClaims } from './claims.ts';
import { foreignGrant } from './foreign-grant.ts';
import { grantOf } from './grant-claims.ts';
import { issuerOf } from './issuer-of.ts';
import type { KeySource } from './key-source.ts';
import type { OwnKeys } from './own-keys.ts';
import { createMemory } from './remember.ts';
import { OWN_AUDIENCE } from './sign.ts';

/** Someone who signs download tokens, and never asks us for one. */
export interface DownloadIssuer {
  /** `iss`, and the `aud` that its tokens name for us. */
  readonly issuer: string;
  readonly audience: string;
  readonly keys: KeySource;
  /** How far its tokens go. */
  readonly client: Client;
}

export interface VerifyOptions {
  /** Absent: no keys of our own are configured. */
  readonly own?: { readonly issuer: string; readonly keys: OwnKeys };
  readonly issuers: readonly DownloadIssuer[];
  readonly mounts: Mounts;
  /** Seconds. */
  readonly leeway: number;
  readonly now: () => number;
}

/** Milliseconds since the epoch. */
type Until = number;

/** Verifies download tokens, ours and those of trusted issuers, and remembers those that are good. */
export function createVerify({ own, issuers, mounts, leeway, now }: VerifyOptions): Verify {
  const memory = createMemory<Verified>(now);
  const byIssuer = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  const common = { typ: JWT_TYPE, leeway, now };
  let generation = own?.keys.generation();

  return async function verify(token) {
    const begun = own?.keys.generation();
    if (begun !== generation) {
      generation = begun;
      memory.clear();
    }
    const known = memory.get(token);
    if (known !== undefined) return known;
    const issuer = issuerOf(token);
    const foreign = issuer === undefined ? undefined : byIssuer.get(issuer);
    const verified =
      own && issuer === own.issuer
        ? await verifyOwn(token, own)
        : foreign && (await verifyForeign(token, foreign));
    // What was verified by a key that has been taken out meanwhile is not remembered.
    const lasts = own?.keys.generation() === begun;
    if (verified !== undefined && lasts) memory.set(token, verified[0], verified[1]);
    return verified?.[0];
  };

  async function verifyOwn(
    token: string,
    { issuer, keys }: NonNullable<VerifyOptions['own']>,
  ): Promise<[Verified, Until] | undefined> {
    const source: KeySource = async ({ kid }) => {
      const key = keys.find(kid);
      return key && { key: key.verify, alg: key.alg };
    };
    const requiredClaims = ['jti', 'iat', 'nbf', 'exp'];
    const options = { ...common, issuer, audience: OWN_AUDIENCE, requiredClaims };
    const claims = ownClaims.safeParse(await checkJwt(token, source, options)).data;
    if (claims === undefined) return undefined;
    const id = jwtId(issuer, claims.jti);
    // Clocks apart are forgiven where it begins. Where it ends is where it was said to.
    const until = claims.exp * 1000;
    if (until <= now()) return undefined;
    if (claims.revocable !== false) return [{ id, recorded: 'required' }, until];
    const grant = grantOf(claims);
    return grant && [{ id, recorded: 'never', grant }, until];
  }

  async function verifyForeign(
    token: string,
    { issuer, audience, keys, client }: DownloadIssuer,
  ): Promise<[Verified, Until] | undefined> {
    const requiredClaims = ['jti', 'iat', 'exp'];
    const options = { ...common, issuer, audience, requiredClaims };
    const found = foreignGrant(await checkJwt(token, keys, options), client, mounts, leeway, now());
    if (found === undefined) return undefined;
    const { jti, grant, until } = found;
    return [{ id: jwtId(issuer, jti), recorded: 'optional', grant }, until];
  }
}
