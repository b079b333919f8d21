import type { Context } from 'hono';
import { isToken } from '../domain/token.ts';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { contentType, one, readForm } from './body.ts';

/**
 * `POST /revoke` (RFC 7009): 200 whether or not there was such a token. With `iss` and `jti` in place
 * of the token, one that another issuer has signed.
 */
export function revokeHandler({ revoke }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    const refused = contentType(c, 'application/x-www-form-urlencoded');
    if (refused !== undefined) return refused;
    const form = await readForm(c);
    const { client } = c.var;
    if (form.has('jti') && !form.has('token')) {
      await revoke.jti(client, one(form, 'iss'), one(form, 'jti'));
    } else {
      const token = one(form, 'token');
      if (isToken(token)) await revoke.token(client, token);
    }
    return c.body(null, 200);
  };
}
