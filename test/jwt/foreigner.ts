import { importJWK, type JWK, SignJWT } from 'jose';
import type { TrustedIssuer } from '../../service/token/client.ts';
import { newJwk, publicHalf } from './keys.ts';

export const START = 1_800_000_000;

/** Another issuer of download tokens, with its own key. */
export async function foreigner(name: string, more: Partial<TrustedIssuer> = {}, alg = 'EdDSA') {
  const jwk = await newJwk(alg, `${name} 1`);
  const issuer: TrustedIssuer = {
    id: name,
    issuer: `https://${name}.example`,
    keys: { file: name },
    audience: 'https://files.example',
    trustedFor: 'downloads',
    algorithms: ['EdDSA', 'ES256', 'RS256'],
    paths: [{ prefix: '/download/reports/' }],
    targets: [],
    maxExpiresIn: 600,
    maxResumeFor: 600,
    ...more,
  };
  let count = 0;
  async function sign(claims: object = {}, by: JWK = jwk, header: object = {}): Promise<string> {
    count += 1;
    const times = { iat: START, exp: START + 120, jti: `${count}` };
    const who = { iss: issuer.issuer, aud: issuer.audience };
    return new SignJWT({ path: '/download/reports/a', ...who, ...times, ...claims })
      .setProtectedHeader({ alg: by.alg ?? '', kid: by.kid ?? '', typ: 'postern+jwt', ...header })
      .sign(await importJWK(by, by.alg));
  }
  return { issuer, jwk, sign, file: { [name]: JSON.stringify({ keys: [publicHalf(jwk)] }) } };
}

export const uri = (token: string, path = '/download/reports/a') => `${path}?token=${token}`;
export const from = (address: string) => ({ 'X-Real-IP': address });
