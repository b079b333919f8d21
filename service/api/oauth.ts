import type { Context } from 'hono';
import { isToken } from '../domain/token.ts';
import { contentType, one, readForm, readToken } from './body.ts';
import type { ApiDependencies, ApiEnv } from './dependencies.ts';
import type { IntrospectionAnswer } from './schema.ts';
import { wholeStateOf } from './state.ts';

/** `POST /introspect` (RFC 7662): a token's state; another client's token is not active to this. */
export function introspectHandler({ lookUp, store }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    const refused = contentType(c, 'application/x-www-form-urlencoded');
    if (refused !== undefined) return refused;
    const token = await readToken(c);
    const { id, grant } = isToken(token) ? await lookUp(token) : {};
    if (id === undefined || grant?.client !== c.var.client.id)
      return c.json<IntrospectionAnswer>({ active: false });
    const { subject, id: jti, ...state } = await wholeStateOf(store, id, grant);
    return c.json<IntrospectionAnswer>({
      active: true,
      token_type: 'Bearer',
      jti,
      sub: subject,
      ...state,
    });
  };
}

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
