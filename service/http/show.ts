import type { Context } from 'hono';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { idOf, NoSuchGrant } from './grant-id.ts';
import { wholeStateOf } from './state.ts';

/** `GET /tokens/{id}`: a grant's state, for the client that issued it. */
export function showHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const id = idOf(c);
    const grant = await store.find(id);
    if (grant === undefined || grant.client !== c.var.client.id) throw new NoSuchGrant();
    return c.json(await wholeStateOf(store, id, grant));
  };
}
