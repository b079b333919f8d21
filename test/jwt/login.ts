import { importJWK, type JWK, SignJWT } from 'jose';
import type { TrustedIssuer } from '../../service/token/client.ts';
import { newJwk, publicHalf } from './keys.ts';

export const START = 1_800_000_000;

const jwk = await newJwk('ES256', 'idp');
export const files = { idp: JSON.stringify({ keys: [publicHalf(jwk)] }) };

/** An identity provider whose users are clients of the API. */
export const login: TrustedIssuer = {
  id: 'login',
  issuer: 'https://login.example',
  keys: { file: 'idp' },
  audience: 'postern',
  trustedFor: 'clients',
  algorithms: ['ES256'],
  paths: [
    { prefix: '/download/users/{sub}/' },
    { prefix: '/download/teams/{team}/{role}/' },
    { prefix: '/download/tenants/{https://login.example/tenant}/' },
  ],
  targets: [],
  maxExpiresIn: 600,
  maxResumeFor: 600,
};

/** An access token as an OpenID provider issues it. */
export async function bearer(
  claims: object = {},
  header: object = {},
  by: JWK = jwk,
): Promise<string> {
  const who = { iss: 'https://login.example', aud: ['postern', 'other'], sub: 'ann' };
  return new SignJWT({ ...who, iat: START, exp: START + 300, ...claims })
    .setProtectedHeader({ alg: by.alg ?? '', kid: by.kid ?? '', typ: 'at+jwt', ...header })
    .sign(await importJWK(by, by.alg));
}
