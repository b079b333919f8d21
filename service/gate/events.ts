import type { IncomingHttpHeaders } from 'node:http';
import type { Decision, DenyCode } from '../domain/decision.ts';
import type { Emit } from '../domain/event.ts';
import { requestHeaders } from './headers.ts';

/** Denials of a token. A request without one, and a question to the requester, are not. */
const REFUSALS: ReadonlySet<DenyCode> = new Set<DenyCode>([
  'invalid_token',
  'insufficient_scope',
  'path_is_folder',
  'pin_wrong',
  'cross_origin',
]);

/** Reported refusals per second. Anybody can cause any number. */
const MAX_REFUSALS = 10;

/** Reports first uses, refusals, and tokens that wrong PINs have revoked. The fields are those of the decision log. */
export function createDecisionEvents(emit: Emit, now = () => performance.now()) {
  let second = 0;
  let reported = 0;
  /** Since the last one that was reported. */
  let skipped = 0;

  function refused(headers: IncomingHttpHeaders, decision: Decision, code: DenyCode): void {
    const current = Math.floor(now() / 1000);
    if (current !== second) [second, reported] = [current, 0];
    if (reported >= MAX_REFUSALS) {
      skipped += 1;
      return;
    }
    reported += 1;
    const data = { reason: code, ...dataOf(headers, decision) };
    emit('token.refused', skipped > 0 ? { ...data, skipped } : data);
    skipped = 0;
  }

  return (headers: IncomingHttpHeaders, decision: Decision): void => {
    const used = decision.allow ? decision : decision.confirmed;
    // Only a requester that took a use gets a resume cookie.
    if (used?.redeemed === 'new' && used.resumeCookie !== undefined) {
      emit('token.redeemed', { ...dataOf(headers, decision), client: used.grant.client });
    } else if (!decision.allow && decision.locked !== undefined) {
      const { client } = decision.locked;
      emit('token.revoked', { by: 'pin', ...dataOf(headers, decision), client });
    } else if (!decision.allow && REFUSALS.has(decision.code)) {
      refused(headers, decision, decision.code);
    }
  };
}

function dataOf(headers: IncomingHttpHeaders, decision: Decision): object {
  const { allow, id, path } = decision;
  return {
    token_id: id,
    subject: allow ? decision.grant.subject : decision.subject,
    path,
    method: headers[requestHeaders.method],
    site: headers[requestHeaders.site],
    address: headers[requestHeaders.address],
    request_id: headers[requestHeaders.requestId],
  };
}
