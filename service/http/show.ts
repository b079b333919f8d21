import type { Context } from 'hono';
import { Refused } from '../domain/errors.ts';
import { isTokenId } from '../domain/token.ts';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { stateOf } from './state.ts';

/** `GET /tokens/{id}`: a grant's state, for the client that issued it. */
export function showHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const id = idOf(c);
    const grant = await store.find(id);
    if (grant === undefined || grant.client !== c.var.client.id) throw new NoSuchGrant();
    return c.json(stateOf(id, grant));
  };
}

/** The token id in the path; what is not shaped like one names no grant. */
export function idOf(c: Context<ApiEnv, '/tokens/:id'>): string {
  const id = c.req.param('id');
  if (!isTokenId(id)) throw new NoSuchGrant();
  return id;
}

/** The same whether it never was, has ended, or is another client's. */
export class NoSuchGrant extends Refused {
  constructor() {
    super('not_found', 'There is no such token, or not any more.');
  }
}
