import { exportJWK, generateKeyPair, generateSecret, type JWK } from 'jose';

/** A JWKS file with one private key for each algorithm, the first of which signs. */
export async function jwksText(...algorithms: string[]): Promise<string> {
  return JSON.stringify({
    keys: await Promise.all(algorithms.map((alg, i) => newJwk(alg, `${i}`))),
  });
}

/** A private key, or a shared secret, with its `kid` and `alg`. */
export async function newJwk(alg: string, kid: string): Promise<JWK> {
  const key =
    alg === 'HS256'
      ? await generateSecret(alg, { extractable: true })
      : (await generateKeyPair(alg, { extractable: true })).privateKey;
  return { ...(await exportJWK(key)), kid, alg, use: 'sig' };
}

/** What the issuer of a key gives to others. */
export function publicHalf({ kty, crv, x, y, n, e, kid, alg, use }: JWK): JWK {
  const half = { kty, crv, x, y, n, e, kid, alg, use };
  return Object.fromEntries(Object.entries(half).filter(([, value]) => value !== undefined)) as JWK;
}
