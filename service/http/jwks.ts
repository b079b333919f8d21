import type { Context } from 'hono';
import type { ApiDependencies } from './api-env.ts';

/** `GET /.well-known/jwks.json` (RFC 7517): the public keys that verify our JWTs. */
export function jwksHandler({ publicJwks }: ApiDependencies) {
  return (c: Context) =>
    c.body(JSON.stringify(publicJwks()), 200, { 'Content-Type': 'application/jwk-set+json' });
}
