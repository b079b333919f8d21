import type { Client } from './client.ts';
import { type Faults, Refused } from './errors.ts';
import { CLOCKS_APART_MS, FORGIVEN_MS, type Grant, isFolder, rememberedUntil } from './grant.ts';
import { aboveFault } from './grant-request.ts';
import type { LookUp } from './look-up.ts';
import type { Mounts } from './mount.ts';
import type { Store } from './store.ts';
import { faultReach } from './target.ts';
import { isOpaque, jwtId, tokenId } from './token.ts';

export interface RevokeOptions {
  readonly store: Store;
  readonly lookUp: LookUp;
  /** The clients to which the tokens of other issuers belong, by `iss`. */
  readonly owners: ReadonlyMap<string, Client>;
  readonly now: () => number;
}

export interface Revoke {
  /** Ends a client's token now; does nothing where there is none. */
  token(client: Client, token: string): Promise<void>;
  /** Ends the token of another issuer by its `jti`, before anyone has presented it. */
  jti(client: Client, issuer: string, jti: string): Promise<void>;
}

export function createRevoke({ store, lookUp, owners, now }: RevokeOptions): Revoke {
  return {
    async token(client, token) {
      if (isOpaque(token)) return void (await store.revoke(tokenId(token), client.id));
      const { id, grant, recorded } = await lookUp(token, true);
      if (id === undefined || grant?.client !== client.id) return;
      if (recorded === 'never') {
        const detail = 'Nothing is kept of this token (revocable: false): it cannot be revoked.';
        throw new Refused('unsupported_token_type', detail);
      }
      if (recorded === 'required') await store.revoke(id, client.id);
      else await store.disown(id, Math.max(rememberedUntil(grant), longest(client.id)));
    },
    async jti(client, issuer, jti) {
      const owner = owners.get(issuer);
      if (owner?.id !== client.id) {
        throw new Refused(
          'insufficient_scope',
          'The tokens of this issuer are not of this client.',
        );
      }
      // Nobody knows when it ends: its issuer may have dated it ahead as far as it likes.
      await store.disown(jwtId(issuer, jti));
    },
  };

  /** None that is good now is good for longer; another with the same jti may be good for as long. */
  function longest(client: string): number {
    const own = [...owners.values()].filter(({ id }) => id === client);
    const seconds = own.map(({ maxExpiresIn, maxResumeFor }) => maxExpiresIn + maxResumeFor);
    return now() + Math.max(0, ...seconds) * 1000 + 2 * FORGIVEN_MS + CLOCKS_APART_MS;
  }
}

export type Prolong = (
  client: Client,
  id: string,
  /** Seconds from now. */
  expiresIn: number,
) => Promise<Grant | undefined>;

export interface ProlongOptions {
  readonly mounts: Mounts;
  readonly store: Store;
  readonly now: () => number;
}

/** Lets a client's live grant end at another time, within what it may and what was signed. */
export function createProlong({ mounts, store, now }: ProlongOptions): Prolong {
  return async function prolong(client, id, expiresIn) {
    refuse(aboveFault(expiresIn, client.maxExpiresIn));
    const grant = await store.find(id);
    if (grant?.client !== client.id) return undefined;
    const expiresAt = now() + expiresIn * 1000;
    if (expiresAt > grant.expiresAt) refuseReach(grant, client, mounts);
    refuse(signedFault(grant, expiresAt));
    return store.prolong(id, client.id, expiresAt);
  };
}

/** A grant that the client could not get now, by its limits or the mounts, does not last longer. */
function refuseReach(grant: Grant, client: Client, mounts: Mounts): void {
  const { covers, site, target, targetArgs } = grant;
  const mount = mounts.all.find(({ id }) => id === grant.mount);
  const faults: Faults = { malformed: [], beyond: [] };
  if (mount !== undefined) {
    const field = isFolder(covers) ? 'prefix' : 'path';
    const place = { mount, covers, field, ...(site !== undefined && { site }) } as const;
    faultReach({ target, target_args: targetArgs }, place, client, mounts, '', faults);
  }
  if (mount === undefined || faults.malformed.length > 0 || faults.beyond.length > 0) {
    const detail = 'The token is unchanged: this client could not issue it now.';
    throw new Refused('insufficient_scope', detail);
  }
}

/** What was signed ends when it says so: nobody can take that back, or make it longer. */
function signedFault({ foreign, signedUntil, uses }: Grant, expiresAt: number): string | undefined {
  if (foreign) return 'cannot be changed: it stands in a token that someone else has signed';
  if (signedUntil === undefined) return undefined;
  const latest = signedUntil - (uses?.resumeFor ?? 0) * 1000;
  if (expiresAt <= latest) return undefined;
  return `must not end after ${new Date(latest).toISOString()}, as the JWT says`;
}

function refuse(detail: string | undefined): void {
  if (detail === undefined) return;
  const faults = [{ pointer: '/expires_in', detail }];
  throw new Refused('invalid_request', 'The request is not valid.', faults);
}
