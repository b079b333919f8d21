import type { Context } from 'hono';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { contentType, readShape } from './body.ts';
import { idOf, NoSuchGrant } from './grant-id.ts';
import { prolongRequest } from './schema.ts';
import { wholeStateOf } from './state.ts';

/** `PATCH /tokens/{id}`: lets a live grant end `expires_in` seconds from now, later or earlier. */
export function prolongHandler({ prolong, store }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const refused = contentType(c, 'application/json');
    if (refused !== undefined) return refused;
    const { expires_in: expiresIn } = await readShape(c, prolongRequest);
    const id = idOf(c);
    const grant = await prolong(c.var.client, id, expiresIn);
    if (grant === undefined) throw new NoSuchGrant();
    return c.json(await wholeStateOf(store, id, grant));
  };
}
