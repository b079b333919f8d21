import type { Context } from 'hono';
import { isToken, tokenId } from '../domain/token.ts';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { contentType, readToken } from './body.ts';

/** `POST /revoke` (RFC 7009): 200 whether or not there was such a token. */
export function revokeHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    const refused = contentType(c, 'application/x-www-form-urlencoded');
    if (refused !== undefined) return refused;
    const token = await readToken(c);
    if (isToken(token)) await store.revoke(tokenId(token), c.var.client.id);
    return c.body(null, 200);
  };
}
