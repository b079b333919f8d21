import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Emit } from '../domain/event.ts';
import { type Grant, isFolder } from '../domain/grant.ts';
import { MAX_PATH_BYTES } from '../domain/path.ts';
import { Unavailable, Unconfirmed } from '../domain/store.ts';
import { withoutTokens } from '../domain/without-tokens.ts';
import { statusOf } from '../problem.ts';
import type { ApiDependencies, ApiEnv, AuditFields } from './http.ts';

/** Token IDs in one event. The IDs of a larger batch come in several. */
const MAX_IDS = 100;

/**
 * Logs a line for each request to the endpoints that need a key: what its handler noted, or the code of
 * the problem. docs/monitoring.md lists the fields, which are stable. Reports what was issued or revoked
 * with the same fields.
 */
export function createAudit({ log, emit }: ApiDependencies): MiddlewareHandler<ApiEnv> {
  return async function audit(c, next) {
    await next();
    if (emit !== undefined) report(c, emit);
    try {
      const { problem } = c.var;
      const level = problem !== undefined && statusOf(problem) >= 500 ? 'error' : 'info';
      if (log.isLevelEnabled(level)) log[level](lineOf(c), 'audit');
    } catch {
      // The action is done: a log that fails must not turn it into an error.
    }
  };
}

function report(c: Context<ApiEnv>, emit: Emit): void {
  const { audit, client, requestId, problem } = c.var;
  // A change that replicas have not confirmed is in force.
  if (audit === undefined || (problem !== undefined && !(c.error instanceof Unconfirmed))) return;
  const { action, token_ids: ids, ...fields } = audit;
  if (action !== 'token.issued' && action !== 'token.revoked') return;
  if (fields.count === 0) return;
  const data = { ...fields, client: client.id, request_id: requestId, address: addressOf(c) };
  if (ids === undefined) emit(action, data);
  for (let begin = 0; ids !== undefined && begin < ids.length; begin += MAX_IDS) {
    const part = ids.slice(begin, begin + MAX_IDS);
    emit(action, { ...data, count: part.length, token_ids: part });
  }
}

function addressOf(c: Context<ApiEnv>): string | undefined {
  return c.env?.incoming?.socket.remoteAddress;
}

/** Adds to the audit line of this request: what is known before the store is asked, then the result. */
export function note(c: Context<ApiEnv>, fields: AuditFields): void {
  c.set('audit', { ...c.var.audit, ...fields });
}

export function grantFields({ covers, site, subject }: Grant): AuditFields {
  return { subject, [isFolder(covers) ? 'prefix' : 'path']: covers, site };
}

function lineOf(c: Context<ApiEnv>): object {
  const { client, audit, requestId, problem } = c.var;
  const { subject, path, prefix, site, owner } = audit ?? {};
  return {
    ...audit,
    ...(problem && failureOf(problem, c)),
    client: client?.id,
    // A client can send a token in any of these.
    subject: hidden(subject),
    path: hidden(path),
    prefix: hidden(prefix),
    site: hidden(site),
    owner: hidden(owner),
    request_id: hidden(requestId),
    address: addressOf(c),
  };
}

/** A text that cannot be valid is not searched: that takes 30 ms for 60 KB, and delays every decision. */
function hidden(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  return text.length > MAX_PATH_BYTES ? '***' : withoutTokens(text);
}

/** `/tokens/batch` matches `/tokens/:id`, too, which has no POST. */
function endpointOf(c: Context): string | undefined {
  const routes = matchedRoutes(c);
  return (routes.findLast(({ method }) => method === c.req.method) ?? routes.at(-1))?.path;
}

/** Instead of the action, which was not done, or not to its end. */
function failureOf(code: NonNullable<ApiEnv['Variables']['problem']>, c: Context<ApiEnv>): object {
  return {
    action: statusOf(code) < 500 ? 'request.refused' : 'request.failed',
    code,
    // Not confirmed by replicas, and therefore an error.
    applied: c.error instanceof Unconfirmed || undefined,
    reason: c.error instanceof Unavailable ? c.error.message : undefined,
    method: c.req.method,
    // Not the path, which can have anything in it.
    endpoint: endpointOf(c),
  };
}
