import type { Context } from 'hono';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { idOf, NoSuchGrant } from './grant-id.ts';

/** `DELETE /tokens/{id}`: ends a grant now. */
export function revokeGrantHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const revoked = await store.revoke(idOf(c), c.var.client.id);
    if (!revoked) throw new NoSuchGrant();
    return c.body(null, 204);
  };
}
