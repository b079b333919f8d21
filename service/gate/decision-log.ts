import type { IncomingHttpHeaders } from 'node:http';
import type { Logger } from 'pino';
import { type Decision, type Deny, type DenyCode, isUsed } from '../decide/decision.ts';
import type { Emit } from '../events/event.ts';
import type { Grant } from '../token/grant.ts';
import { Unavailable } from '../token/store.ts';
import { loggedGrant, withoutTokens } from '../token/without-tokens.ts';
import { requestHeaders } from './headers.ts';

/** nginx logs each download, so an allowed one is only for debugging, unless it took a use and gets a resume cookie. */
function levelOf(decision: Decision): 'debug' | 'info' | 'error' {
  if (decision.allow) return decision.resumeCookie === undefined ? 'debug' : 'info';
  return decision.code === 'unavailable' ? 'error' : 'info';
}

/** Logs a line for a decision. The token appears only as its ID. */
export function logDecision(
  log: Logger,
  headers: IncomingHttpHeaders,
  decision: Decision,
  milliseconds: number,
): void {
  const level = levelOf(decision);
  if (!log.isLevelEnabled(level)) return;
  const fields = {
    code: decision.allow ? 'allow' : decision.code,
    requester: requesterOf(decision),
    ...fieldsOf(headers, decision),
    traceparent: traceparentOf(headers),
    ms: Math.round(milliseconds * 1000) / 1000,
    ...(!isUsed(decision) && reasonFor(decision)),
  };
  log[level](fields, 'decision');
}

const bare = (text: string | undefined) => text && withoutTokens(text);

/** Logs that wrong PINs have revoked a token, with the fields of the API's audit log. */
export function logLocked(
  log: Logger,
  headers: IncomingHttpHeaders,
  id: string | undefined,
  grant: Grant,
): void {
  const fields = {
    action: 'token.revoked',
    by: 'pin',
    ...loggedGrant(id, grant),
    request_id: headers[requestHeaders.requestId],
    address: headers[requestHeaders.address],
  };
  log.info(fields, 'audit');
}

/** Version 00, with IDs that are not zero: https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The requester may send any text. A value in another form is not logged. */
function traceparentOf(headers: IncomingHttpHeaders): string | undefined {
  const value = headers[requestHeaders.traceparent];
  return typeof value === 'string' && TRACEPARENT.test(value) ? value : undefined;
}

function requesterOf(decision: Decision): string | undefined {
  return isUsed(decision) ? decision.redeemed : decision.refused && 'refused';
}

/** Why a JWT was rejected, or what failed; without a stack trace if the store is down: then every request logs it. */
function reasonFor({ cause, rejection }: Deny): object {
  if (rejection !== undefined) return { reason: rejection.reason, issuer: rejection.issuer };
  return cause instanceof Unavailable ? { reason: cause.message } : { err: cause };
}

/** Denials that are reported as refusals: not a missing token, and not a request to confirm. */
const REFUSALS: ReadonlySet<DenyCode> = new Set<DenyCode>([
  'invalid_token',
  'insufficient_scope',
  'path_is_folder',
  'pin_wrong',
  'cross_origin',
]);

/** Reports first uses, refusals, and tokens that wrong PINs have revoked. The fields are those of the decision log. */
export function emitDecision(emit: Emit, headers: IncomingHttpHeaders, decision: Decision): void {
  if (isUsed(decision)) {
    // A requester gets a resume cookie only if it took a use.
    if (decision.redeemed !== 'new' || decision.resumeCookie === undefined) return;
    const { client, uses } = decision.grant;
    // Otherwise max_uses bounds the events of a token.
    const limit = uses?.max === undefined ? decision.id : undefined;
    emit('token.redeemed', { ...fieldsOf(headers, decision), client }, limit);
  } else if (decision.locked !== undefined) {
    const { client } = decision.locked;
    emit('token.revoked', { by: 'pin', ...fieldsOf(headers, decision), client });
  } else if (REFUSALS.has(decision.code)) {
    // All tokens have one limit, because anybody can make up a token.
    emit('token.refused', { reason: decision.code, ...fieldsOf(headers, decision) }, 'refused');
  }
}

/** What a line and an event have in common. */
function fieldsOf(headers: IncomingHttpHeaders, decision: Decision): object {
  return {
    token_id: decision.id,
    subject: bare(isUsed(decision) ? decision.grant.subject : decision.subject),
    // A token in an unexpected place is part of the path.
    path: bare(decision.path),
    method: headers[requestHeaders.method],
    site: headers[requestHeaders.site],
    address: headers[requestHeaders.address],
    request_id: headers[requestHeaders.requestId],
  };
}
