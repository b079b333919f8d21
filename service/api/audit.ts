import type { Context, MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import type { Emit } from '../domain/event.ts';
import { type Grant, isFolder } from '../domain/grant.ts';
import { Unavailable, Unconfirmed } from '../domain/store.ts';
import { withoutTokens } from '../domain/without-tokens.ts';
import { statusOf } from '../problem.ts';
import type { ApiDependencies, ApiEnv, AuditFields } from './http.ts';

/**
 * Logs a line for each request to the endpoints that need a key: what its handler noted, or the code of
 * the problem. docs/monitoring.md lists the fields, which are stable. Reports what was issued or revoked.
 */
export function createAudit({ log, emit }: ApiDependencies): MiddlewareHandler<ApiEnv> {
  return async function audit(c, next) {
    await next();
    try {
      const { problem } = c.var;
      const level = problem !== undefined && statusOf(problem) >= 500 ? 'error' : 'info';
      if (emit !== undefined) emitAction(emit, c);
      if (log.isLevelEnabled(level)) log[level](lineOf(c), 'audit');
    } catch {
      // The action is done: a log that fails must not turn it into an error.
    }
  };
}

/** Adds to the audit line of this request: what is known before the store is asked, then the result. */
export function note(c: Context<ApiEnv>, fields: AuditFields): void {
  c.set('audit', { ...c.var.audit, ...fields });
}

export function grantFields({ covers, site, subject }: Grant): AuditFields {
  return { subject, [isFolder(covers) ? 'prefix' : 'path']: covers, site };
}

/** Token IDs in one event. A receiver gets the IDs of a larger batch in several. */
const MAX_IDS = 100;

function emitAction(emit: Emit, c: Context<ApiEnv>): void {
  const { audit, problem } = c.var;
  // A change that replicas have not confirmed is in force.
  if (audit === undefined || (problem !== undefined && !(c.error instanceof Unconfirmed))) return;
  const { action, token_ids: ids, ...fields } = audit;
  if (action !== 'token.issued' && action !== 'token.revoked') return;
  if (fields.count === 0) return;
  const data = { ...fields, ...callerOf(c) };
  if (ids === undefined) emit(action, data);
  for (const part of partsOf(ids ?? [])) {
    emit(action, { ...data, count: part.length, token_ids: part });
  }
}

function partsOf(ids: readonly string[]): ReadonlyArray<readonly string[]> {
  const count = Math.ceil(ids.length / MAX_IDS);
  return Array.from({ length: count }, (_, i) => ids.slice(i * MAX_IDS, (i + 1) * MAX_IDS));
}

function lineOf(c: Context<ApiEnv>): object {
  const { audit, problem } = c.var;
  const { subject, path, prefix, site } = audit ?? {};
  return {
    ...audit,
    ...(problem && failureOf(problem, c)),
    ...callerOf(c),
    // A client can send a token in any of these.
    subject: hidden(subject),
    path: hidden(path),
    prefix: hidden(prefix),
    site: hidden(site),
  };
}

function callerOf(c: Context<ApiEnv>): object {
  const { client, requestId } = c.var;
  return {
    client: client?.id,
    request_id: hidden(requestId),
    address: c.env?.incoming?.socket.remoteAddress,
  };
}

function hidden(text: string | undefined): string | undefined {
  return text === undefined ? undefined : withoutTokens(text);
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
    endpoint: routePath(c, -1),
  };
}
