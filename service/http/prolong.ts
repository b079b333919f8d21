import type { Context } from 'hono';
import { Refused } from '../domain/errors.ts';
import { aboveFault } from '../domain/lifetime.ts';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { contentType, readShape } from './body.ts';
import { idOf, NoSuchGrant } from './grant-id.ts';
import { prolongRequest } from './schema.ts';
import { stateOf } from './state.ts';

/** `PATCH /tokens/{id}`: lets a live grant end `expires_in` seconds from now, later or earlier. */
export function prolongHandler({ store, now }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const refused = contentType(c, 'application/json');
    if (refused !== undefined) return refused;
    const { client } = c.var;
    const { expires_in: expiresIn } = await readShape(c, prolongRequest);
    const detail = aboveFault(expiresIn, client.maxExpiresIn);
    if (detail !== undefined) {
      const faults = [{ pointer: '/expires_in', detail }];
      throw new Refused('invalid_request', 'The request is not valid.', faults);
    }
    const id = idOf(c);
    const grant = await store.prolong(id, client.id, now() + expiresIn * 1000);
    if (grant === undefined) throw new NoSuchGrant();
    return c.json(stateOf(id, grant));
  };
}
