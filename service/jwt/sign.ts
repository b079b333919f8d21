import { SignJWT } from 'jose';
import type { Signer } from '../domain/look-up.ts';
import { JWT_TYPE } from '../domain/token.ts';
import { claimsOf } from './claims.ts';
import type { OwnKeys } from './keys.ts';

/** `aud` of Postern's own tokens. No other JWT has it (RFC 8725, section 3.9). */
export const OWN_AUDIENCE = 'urn:postern:download';

/** Signs grants as compact JWS (RFC 7515) with the first key. */
export function createSigner(keys: OwnKeys, issuer: string): Signer {
  return {
    issuer,
    async sign(jti, grant, recorded) {
      const { kid, alg, sign } = keys.first();
      const claims = { iss: issuer, aud: OWN_AUDIENCE, jti, ...claimsOf(grant, recorded) };
      const token = new SignJWT(claims).setProtectedHeader({ alg, kid, typ: JWT_TYPE });
      return token.sign(sign as NonNullable<typeof sign>);
    },
  };
}
