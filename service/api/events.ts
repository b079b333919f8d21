import type { MiddlewareHandler } from 'hono';
import type { Emit } from '../domain/event.ts';
import { Unconfirmed } from '../domain/store.ts';
import type { ApiEnv } from './http.ts';

/** Token IDs in one event. The IDs of a larger batch come in several. */
const MAX_IDS = 100;

/** Reports what was issued or revoked, with what the handler noted for the audit log. */
export function reportActions(emit: Emit): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    await next();
    const { audit, client, requestId, problem } = c.var;
    // A change that replicas have not confirmed is in force.
    if (audit === undefined || (problem !== undefined && !(c.error instanceof Unconfirmed))) return;
    const { action, token_ids: ids, ...fields } = audit;
    if (action !== 'token.issued' && action !== 'token.revoked') return;
    if (fields.count === 0) return;
    const address = c.env?.incoming?.socket.remoteAddress;
    const data = { ...fields, client: client.id, request_id: requestId, address };
    if (ids === undefined) emit(action, data);
    for (let begin = 0; ids !== undefined && begin < ids.length; begin += MAX_IDS) {
      const part = ids.slice(begin, begin + MAX_IDS);
      emit(action, { ...data, count: part.length, token_ids: part });
    }
  };
}
