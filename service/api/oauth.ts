import type { Context } from 'hono';
import { isToken } from '../domain/token.ts';
import { formValue, readForm } from './body.ts';
import type { ApiDependencies, ApiEnv } from './dependencies.ts';
import { type IntrospectionAnswer, wholeStateOf } from './schema.ts';

/** `POST /introspect` (RFC 7662): a token's state; other clients' tokens are inactive. */
export function introspectHandler({ lookUp, store }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    const token = formValue(await readForm(c), 'token');
    const { id, grant } = isToken(token) ? await lookUp(token) : {};
    if (id === undefined || grant?.client !== c.var.client.id) {
      return c.json<IntrospectionAnswer>({ active: false });
    }
    const { subject, id: jti, ...state } = await wholeStateOf(store, id, grant);
    const active = { active: true, token_type: 'Bearer', jti, sub: subject, ...state } as const;
    return c.json<IntrospectionAnswer>(active);
  };
}

/**
 * `POST /revoke` (RFC 7009): 200 whether or not the token exists. `iss` and `jti` instead of the token
 * revoke another issuer's token.
 */
export function revokeHandler({ revoke }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    const form = await readForm(c);
    const { client } = c.var;
    if (form.has('jti') && !form.has('token')) {
      await revoke.jti(client, formValue(form, 'iss'), formValue(form, 'jti'));
    } else {
      const token = formValue(form, 'token');
      if (isToken(token)) await revoke.token(client, token);
    }
    return c.body(null, 200);
  };
}
