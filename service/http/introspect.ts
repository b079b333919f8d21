import type { Context } from 'hono';
import { isToken } from '../domain/token.ts';
import type { IntrospectionAnswer } from '../schema/answer.ts';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { contentType, readToken } from './body.ts';
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
