import type { IncomingMessage, RequestListener } from 'node:http';
import type { Logger } from 'pino';
import type { Authorize } from '../domain/authorize.ts';
import type { Within } from '../domain/deadline.ts';
import type { Decision } from '../domain/decision.ts';
import type { RecordDecision, Way } from '../metrics/decisions.ts';
import { type Answer, livez, problemAnswer, send } from './answer.ts';
import { authRequestAnswer } from './auth-request.ts';
import type { CookieSettings } from './cookies.ts';
import { gateRequest } from './headers.ts';
import { logDecision } from './log.ts';
import { xAccelAnswer } from './x-accel.ts';

export interface GateDependencies {
  readonly authorize: Authorize;
  readonly within: Within;
  readonly cookies: CookieSettings;
  readonly recordDecision: RecordDecision;
  readonly log: Logger;
}

/**
 * The listener that nginx asks, once for each request of each user. On plain node:http: it has
 * three routes, and a router with its Request and Response objects costs more than the decision.
 */
export function createGate(deps: GateDependencies): RequestListener {
  const { authorize, within, cookies, recordDecision, log } = deps;

  async function answer(request: IncomingMessage): Promise<Answer> {
    const { method, headers, url = '' } = request;
    if (method !== 'GET' && method !== 'HEAD') {
      return problemAnswer('method_not_allowed', ['Allow', 'GET, HEAD']);
    }
    switch (url) {
      case '/auth-request':
        return authRequestAnswer(await decide(request, 'auth_request'), cookies);
      case '/x-accel':
        return xAccelAnswer(await decide(request, 'x-accel'), cookies, headers.accept);
      case '/livez':
        return livez();
      default:
        return problemAnswer('not_found');
    }
  }

  /** Whatever goes wrong on the way to a decision, nothing opens. */
  async function decide({ headers }: IncomingMessage, way: Way): Promise<Decision> {
    const started = performance.now();
    const asked = gateRequest(headers);
    let decision: Decision;
    try {
      decision = await within(started, (deadline) => authorize(asked, deadline));
    } catch (cause) {
      decision = { allow: false, code: 'unavailable', cause };
    }
    const milliseconds = performance.now() - started;
    recordDecision(way, decision, milliseconds);
    logDecision(log, headers, decision, milliseconds);
    return decision;
  }

  return (request, response) => {
    answer(request)
      .then((ready) => send(response, ready))
      .catch((err) => {
        log.error({ err }, 'no answer could be made');
        response.destroy();
      });
  };
}
