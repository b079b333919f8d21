import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Logger } from 'pino';
import { type Grant, isFolder } from '../domain/grant.ts';
import { MAX_PATH_BYTES } from '../domain/path.ts';
import { Unavailable, Unconfirmed } from '../domain/store.ts';
import { withoutTokens } from '../domain/without-tokens.ts';
import { statusOf } from '../problem.ts';
import type { ApiEnv, AuditFields } from './http.ts';

/**
 * Logs a line for each request to the endpoints that need a key: what its handler noted, or the code of
 * the problem. docs/monitoring.md lists the fields, which are stable.
 */
export function createAudit(log: Logger): MiddlewareHandler<ApiEnv> {
  return async function audit(c, next) {
    await next();
    try {
      const { problem } = c.var;
      const level = problem !== undefined && statusOf(problem) >= 500 ? 'error' : 'info';
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
    address: c.env?.incoming?.socket.remoteAddress,
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
