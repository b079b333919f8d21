import type { IncomingMessage, RequestListener } from 'node:http';
import type { Logger } from 'pino';
import type { Authorize } from '../domain/authorize.ts';
import type { WithDeadline } from '../domain/deadline.ts';
import type { Confirmation, Decision } from '../domain/decision.ts';
import type { Mode, RecordDecision } from '../metrics/decisions.ts';
import { type Answer, type CookieSettings, problemAnswer, send } from './answer.ts';
import { authRequestAnswer } from './auth-request.ts';
import { confirmAnswer, readConfirmation } from './confirm.ts';
import { gateRequest, requestHeaders } from './headers.ts';
import { logDecision } from './log.ts';
import { xAccelAnswer } from './x-accel.ts';

export interface GateDependencies {
  readonly authorize: Authorize;
  readonly withDeadline: WithDeadline;
  readonly cookies: CookieSettings;
  readonly recordDecision: RecordDecision;
  readonly log: Logger;
}

const LIVE = '{"status":"ok"}';

/** The process answers. The state of the store is in the API's `/readyz`. */
const LIVE_ANSWER: Answer = {
  status: 200,
  headers: [
    ...['Cache-Control', 'no-store', 'Content-Type', 'application/json'],
    ...['Content-Length', String(LIVE.length)],
  ],
  body: LIVE,
};

/**
 * The listener that nginx asks about each request. Plain node:http: it has four routes, and a router
 * with its Request and Response objects costs more than the decision.
 */
export function createGate(deps: GateDependencies): RequestListener {
  const { authorize, withDeadline, cookies, recordDecision, log } = deps;

  async function answer(request: IncomingMessage): Promise<Answer> {
    const { method, url = '' } = request;
    if (method === 'POST' && url === '/confirm') return confirm(request);
    if (method !== 'GET' && method !== 'HEAD') {
      return problemAnswer('method_not_allowed', ['Allow', 'GET, HEAD']);
    }
    switch (url) {
      case '/auth-request':
        return authRequestAnswer(await decide(request, 'auth_request'), cookies);
      case '/x-accel':
        return xAccelAnswer(await decide(request, 'x-accel'), cookies);
      case '/livez':
        return LIVE_ANSWER;
      default:
        return problemAnswer('not_found');
    }
  }

  async function confirm(request: IncomingMessage): Promise<Answer> {
    const confirmation = await readConfirmation(request);
    if (request.headers[requestHeaders.method] !== 'POST') {
      return problemAnswer('method_not_allowed', ['Allow', 'POST']);
    }
    if (confirmation === undefined) {
      return problemAnswer('content_too_large', ['Connection', 'close']);
    }
    const decision = await decide(request, 'confirm', confirmation);
    return confirmAnswer(decision, cookies, String(request.headers[requestHeaders.uri]));
  }

  /** Fails closed: any error is a denial. */
  async function decide(
    { headers }: IncomingMessage,
    mode: Mode,
    confirmation?: Confirmation,
  ): Promise<Decision> {
    const began = performance.now();
    const asked = gateRequest(headers, confirmation);
    let decision: Decision;
    try {
      decision = await withDeadline(began, (deadline) => authorize(asked, deadline));
    } catch (cause) {
      decision = { allow: false, code: 'unavailable', cause };
    }
    const milliseconds = performance.now() - began;
    recordDecision(mode, decision, milliseconds);
    logDecision(log, headers, decision, milliseconds);
    return decision;
  }

  return (request, response) => {
    answer(request)
      .then((ready) => send(response, ready))
      .catch((err) => {
        log.error({ err }, 'the gate failed to answer a request');
        response.destroy();
      });
  };
}
