import type { Client } from './client.ts';
import { Refused } from './errors.ts';
import { CLOCKS_APART_MS, FORGIVEN_MS, rememberedUntil } from './grant.ts';
import type { LookUp } from './look-up.ts';
import type { Store } from './store.ts';
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
