import type { Client } from './client.ts';
import { Refused } from './errors.ts';
import { FORGIVEN_MS } from './grant.ts';
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
      const { id, grant, recorded } = await lookUp(token);
      if (id === undefined || grant?.client !== client.id) return;
      if (recorded === 'never') {
        const detail = 'Nothing is kept of this token (revocable: false): it cannot be revoked.';
        throw new Refused('unsupported_token_type', detail);
      }
      if (recorded === 'required') await store.revoke(id, client.id);
      else await store.disown(id, (grant.signedUntil ?? now()) + FORGIVEN_MS);
    },
    async jti(client, issuer, jti) {
      const owner = owners.get(issuer);
      if (owner?.id !== client.id) {
        throw new Refused(
          'insufficient_scope',
          'The tokens of this issuer are not of this client.',
        );
      }
      // None that is good now is good for longer.
      const longest = (owner.maxExpiresIn + owner.maxResumeFor) * 1000;
      await store.disown(jwtId(issuer, jti), now() + longest + 2 * FORGIVEN_MS);
    },
  };
}
