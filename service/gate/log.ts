import type { IncomingHttpHeaders } from 'node:http';
import type { Logger } from 'pino';
import type { Decision, Deny } from '../domain/decision.ts';
import { Unavailable } from '../domain/store.ts';
import { withoutTokens } from '../domain/without-tokens.ts';
import { requestHeaders } from './headers.ts';

/** One line a decision. Names the token by its id alone. */
export function logDecision(
  log: Logger,
  headers: IncomingHttpHeaders,
  decision: Decision,
  milliseconds: number,
): void {
  const level = !decision.allow && decision.code === 'unavailable' ? 'error' : 'info';
  if (!log.isLevelEnabled(level)) return;
  const { id, path } = decision;
  log[level](
    {
      code: decision.allow ? 'allow' : decision.code,
      requester: decision.allow ? decision.redeemed : decision.refused && 'refused',
      token_id: id,
      subject: decision.allow ? decision.grant.subject : decision.subject,
      // A token that stands where none is read is part of the path.
      path: path === undefined ? undefined : withoutTokens(path),
      method: headers[requestHeaders.method],
      site: headers[requestHeaders.site],
      address: headers[requestHeaders.address],
      request_id: headers[requestHeaders.requestId],
      ms: Math.round(milliseconds * 1000) / 1000,
      ...(!decision.allow && why(decision)),
    },
    'decision',
  );
}

/** Why a JWT was rejected, or what failed. A store that is down is no fault of the program: its message is enough, on so many lines. */
function why({ cause, rejection }: Deny): object {
  if (rejection !== undefined) return rejection;
  return cause instanceof Unavailable ? { reason: cause.message } : { err: cause };
}
