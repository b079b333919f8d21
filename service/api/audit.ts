import type { IncomingMessage } from 'node:http';
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Logger } from 'pino';
import type { Emit } from '../events/event.ts';
import { type ProblemCode, statusOf } from '../problem.ts';
import type { Client } from '../token/client.ts';
import { type Grant, isFolder } from '../token/grant.ts';
import { StoreUnavailable, Unacknowledged, Unavailable } from '../token/store.ts';
import { withoutTokens } from '../token/without-tokens.ts';

export interface ApiEnv {
  Bindings: { incoming?: IncomingMessage };
  Variables: {
    client: Client;
    requestId: string;
    /** The body of a request to an endpoint of OAuth. */
    form: URLSearchParams;
    problem?: ProblemCode;
    audit?: AuditFields;
  };
}

type ActionName = 'issued' | 'shown' | 'listed' | 'prolonged' | 'revoked' | 'introspected';

export interface AuditFields {
  readonly action?: `token.${ActionName}`;
  /** How the request names the tokens that it revokes. */
  readonly by?: 'id' | 'token' | 'jti' | 'subject' | 'client';
  /** The client whose tokens are listed or revoked, if the request names one. */
  readonly owner?: string | undefined;
  readonly token_id?: string | undefined;
  readonly token_ids?: readonly string[];
  readonly count?: number;
  /** The time before which JWTs of the subject are revoked that the client's issuers signed. */
  readonly signed_before?: number | undefined;
  readonly subject?: string | undefined;
  readonly path?: string | undefined;
  readonly prefix?: string | undefined;
  readonly site?: string | undefined;
  readonly expires_in?: number | undefined;
  readonly active?: boolean;
}

export interface AuditDependencies {
  readonly log: Logger;
  /** Absent: no events are recorded. */
  readonly emit?: Emit | undefined;
}

/**
 * Logs a line for each request that needs a key: what its handler noted, or the code of the problem. The fields, in
 * docs/operate/monitoring.md, are stable. Issued and revoked tokens are also emitted as events with them.
 */
export function createAudit({ log, emit }: AuditDependencies): MiddlewareHandler<ApiEnv> {
  return async function audit(c, next) {
    await next();
    if (emit !== undefined) report(c, emit);
    try {
      const problem = c.get('problem');
      const level = problem !== undefined && statusOf(problem) >= 500 ? 'error' : 'info';
      if (log.isLevelEnabled(level)) log[level](lineOf(c), 'audit');
    } catch {
      // The action is done, so a failure of the log must not become an error response.
    }
  };
}

function report(c: Context<ApiEnv>, emit: Emit): void {
  const [audit, problem] = [c.get('audit'), c.get('problem')];
  // A change is applied even if replicas have not acknowledged it.
  if (audit === undefined || (problem !== undefined && !(c.error instanceof Unacknowledged)))
    return;
  const { action, token_ids: ids, ...fields } = audit;
  if (action !== 'token.issued' && action !== 'token.revoked') return;
  if (fields.count === 0 && fields.signed_before === undefined) return;
  const from = { client: c.get('client').id, request_id: c.get('requestId') };
  const data = { ...fields, ...from, address: addressOf(c) };
  emit(action, ids === undefined ? data : { ...data, count: ids.length, token_ids: ids });
}

function addressOf(c: Context<ApiEnv>): string | undefined {
  return c.env?.incoming?.socket.remoteAddress;
}

/** Adds fields to the audit line of this request: first the request, then the result from the store. */
export function note(c: Context<ApiEnv>, fields: AuditFields): void {
  c.set('audit', { ...c.get('audit'), ...fields });
}

export function grantFields({ covers, site, subject }: Grant): AuditFields {
  return { subject, [isFolder(covers) ? 'prefix' : 'path']: covers, site };
}

function lineOf(c: Context<ApiEnv>): object {
  const audit = c.get('audit');
  const problem = c.get('problem');
  const { subject, path, prefix, site, owner } = audit ?? {};
  return {
    ...audit,
    ...(problem && failureOf(problem, c)),
    client: c.get('client')?.id,
    // A client can send a token in any of these.
    subject: hidden(subject),
    path: hidden(path),
    prefix: hidden(prefix),
    site: hidden(site),
    owner: hidden(owner),
    request_id: hidden(c.get('requestId')),
    address: addressOf(c),
  };
}

const hidden = (text: string | undefined) => text && withoutTokens(text);

/** `/tokens/batch` matches `/tokens/:id`, too, which has no POST. */
function endpointOf(c: Context): string | undefined {
  const routes = matchedRoutes(c);
  return (routes.findLast(({ method }) => method === c.req.method) ?? routes.at(-1))?.path;
}

/** The fields of a request that failed, instead of its action. */
function failureOf(code: ProblemCode, c: Context<ApiEnv>): object {
  const { revoked } = c.error instanceof StoreUnavailable ? c.error : {};
  return {
    ...(revoked !== undefined && { count: revoked }),
    action: statusOf(code) < 500 ? 'request.refused' : 'request.failed',
    code,
    // The change is applied, but replicas have not acknowledged it.
    applied: c.error instanceof Unacknowledged || undefined,
    reason: c.error instanceof Unavailable ? c.error.message : undefined,
    method: c.req.method,
    // The line omits the path, which may contain a token.
    endpoint: endpointOf(c),
  };
}
