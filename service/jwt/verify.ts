import type { Client } from '../domain/client.ts';
import type { Mounts } from '../domain/mount.ts';
import type { Rejection, Verified, Verify } from '../domain/signed.ts';
import { JWT_TYPE, jwtId } from '../domain/token.ts';
import { checkJwt } from './check.ts';
import { ownClaims } from './claims.ts';
import { foreignGrant } from './foreign-grant.ts';
import { grantOf } from './grant-claims.ts';
import { saidOf } from './issuer-of.ts';
import type { KeySource } from './key-source.ts';
import type { OwnKeys } from './own-keys.ts';
import { shapeReason } from './reason.ts';
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

const UNKNOWN_ISSUER = 'iss: is neither POSTERN_ISSUER nor an issuer that is trusted for downloads';

/** Milliseconds since the epoch. */
type Until = number;

/** Verifies download tokens, ours and those of trusted issuers, and remembers those that are good. */
export function createVerify({ own, issuers, mounts, leeway, now }: VerifyOptions): Verify {
  const memory = createMemory<Verified>(now);
  const byIssuer = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  const common = { typ: JWT_TYPE, leeway, now };
  let generation = own?.keys.generation();

  return async function verify(token, early = false) {
    if (own?.keys.generation() !== generation) {
      generation = own?.keys.generation();
      memory.clear();
    }
    const known = memory.get(token);
    if (known !== undefined) return known;
    const began = generation;
    const { iss: issuer, nbf } = saidOf(token);
    const at = early ? Math.max(now(), nbf) : now();
    const foreign = issuer === undefined ? undefined : byIssuer.get(issuer);
    const verified =
      own && issuer === own.issuer
        ? await verifyOwn(token, own)
        : foreign && (await verifyForeign(token, foreign, at));
    if (verified === undefined) return { reason: UNKNOWN_ISSUER };
    if ('reason' in verified) return { ...verified, issuer: issuer as string };
    const [good, until] = verified;
    // Not what a key verified that was taken out meanwhile, nor what has not begun.
    if (!early && own?.keys.generation() === began) memory.set(token, good, until);
    return good;
  };

  async function verifyOwn(
    token: string,
    { issuer, keys }: NonNullable<VerifyOptions['own']>,
  ): Promise<[Verified, Until] | Rejection> {
    const source: KeySource = async ({ kid }) => {
      const key = keys.find(kid);
      return key && { key: key.verify, alg: key.alg };
    };
    const requiredClaims = ['jti', 'iat', 'nbf', 'exp'];
    const options = { ...common, issuer, audience: OWN_AUDIENCE, requiredClaims };
    const checked = await checkJwt(token, source, options);
    if ('reason' in checked) return checked;
    const { data: claims, error } = ownClaims.safeParse(checked.claims);
    if (claims === undefined) return { reason: shapeReason(error) };
    const id = jwtId(issuer, claims.jti);
    // Clocks apart are forgiven where it begins. Where it ends is where it was said to.
    const until = claims.exp * 1000;
    if (until <= now()) return { reason: 'exp: has passed' };
    if (claims.revocable !== false) return [{ id, recorded: 'required' }, until];
    const grant = grantOf(claims);
    if (grant === undefined) return { reason: 'revocable: is false, and uses are to be counted' };
    return [{ id, recorded: 'never', grant }, until];
  }

  async function verifyForeign(
    token: string,
    { issuer, audience, keys, client }: DownloadIssuer,
    at: number,
  ): Promise<[Verified, Until] | Rejection> {
    const requiredClaims = ['jti', 'iat', 'exp'];
    const options = { ...common, issuer, audience, requiredClaims, now: () => at };
    const checked = await checkJwt(token, keys, options);
    if ('reason' in checked) return checked;
    const found = foreignGrant(checked.claims, client, mounts, leeway, at);
    if ('reason' in found) return found;
    const { jti, grant, until } = found;
    return [{ id: jwtId(issuer, jti), recorded: 'optional', grant }, until];
  }
}
