import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { Authorize } from '../decide/authorize.ts';
import { startDeadline } from '../decide/deadline.ts';
import { type Confirmation, type Decision, deny, type Mode } from '../decide/decision.ts';
import type { Emit } from '../events/event.ts';
import type { RecordDecision } from '../metrics/metrics.ts';
import type { PageRequest, WrittenPage } from '../pages/pages.ts';
import {
  ANSWERS,
  bodyAnswer,
  isUnkept,
  pageAnswer,
  problemAnswer,
  send,
  subrequestDenial,
} from './answer.ts';
import { emitDecision, logDecision, logLocked } from './decision-log.ts';
import { type CookieSettings, gateRequest, pageRequest, requestHeaders } from './headers.ts';

interface GateDependencies {
  readonly log: Logger;
  readonly authorize: Authorize;
  readonly decisionMs?: number | undefined;
  readonly cookies: CookieSettings;
  readonly pageFor: (asked: PageRequest) => WrittenPage | undefined;
  readonly recordDecision: RecordDecision;
  readonly emit?: Emit | undefined;
}

/** The answer to an application that uses the wrong address. */
const IS_GATE = 'This is the gate, for nginx. The API is at the address of POSTERN_API_LISTEN.';

const LIVE_HEADERS = ['Cache-Control', 'no-store', 'Content-Type', 'application/json'];

/** The process works. `/readyz` of the API shows the state of the store. */
const LIVE = bodyAnswer(200, LIVE_HEADERS, '{"status":"ok"}');

const UNKEPT =
  'a browser did not keep the cookie after a confirmation: serve the page over HTTPS, or check POSTERN_COOKIE_SECURE';

/** The listener for nginx, with five routes. A router with its Request and Response costs more than the decision. */
export function createGate(deps: GateDependencies): RequestListener {
  const { authorize, decisionMs, cookies, pageFor, recordDecision, emit, log } = deps;
  let hasWarned = false;

  /** Answers once: with the decision, or at its deadline. Fails closed: any error is a denial. */
  async function decide(
    { headers }: IncomingMessage,
    response: ServerResponse,
    mode: Mode,
    confirmation?: Confirmation,
  ): Promise<void> {
    const began = performance.now();

    function answer(decision: Decision): void {
      const milliseconds = performance.now() - began;
      const uri = String(headers[requestHeaders.uri]);
      try {
        recordDecision(mode, decision, milliseconds);
        logDecision(log, headers, decision, milliseconds);
        // The warning is logged once, because each person with such a browser would repeat it.
        if (!hasWarned && mode !== 'confirm' && isUnkept(decision, uri)) {
          hasWarned = true;
          log.warn(UNKEPT);
        }
        send(response, ANSWERS[mode](decision, cookies, uri));
      } catch (err) {
        log.error({ err }, 'the gate failed to answer a request');
        response.destroy();
      }
    }

    const tooLate = (cause: unknown) => answer(deny('unavailable', { cause }));
    const deadline = startDeadline(tooLate, decisionMs);
    let decision: Decision;
    try {
      decision = await authorize(gateRequest(headers, confirmation), deadline);
      // Log this even if the response was sent at the deadline.
      if ('locked' in decision && decision.locked)
        logLocked(log, headers, decision.id, decision.locked);
    } catch (cause) {
      decision = deny('unavailable', { cause });
    }
    if (deadline.end()) answer(decision);
    // Report this even after the deadline: the use has been counted.
    if (emit !== undefined) emitDecision(emit, headers, decision);
  }

  async function confirm(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const confirmation = await readConfirmation(request);
    if (request.headers[requestHeaders.method] !== 'POST') {
      return send(response, problemAnswer('method_not_allowed', ['Allow', 'POST']));
    }
    if (confirmation === undefined) {
      return send(response, problemAnswer('content_too_large', ['Connection', 'close']));
    }
    await decide(request, response, 'confirm', confirmation);
  }

  return (request, response) => {
    const { method, url } = request;
    // First: a page is never a decision.
    if (method === 'GET' && url === '/page') {
      return send(response, pageAnswer(pageFor(pageRequest(request.headers))));
    }
    if (method === 'POST' && url === '/confirm') {
      return void confirm(request, response).catch(() => response.destroy());
    }
    if (method !== 'GET' && method !== 'HEAD') {
      return send(response, problemAnswer('method_not_allowed', ['Allow', 'GET, HEAD'], IS_GATE));
    }
    if (url === '/auth-request') return void decide(request, response, 'auth_request');
    if (url === '/x-accel') return void decide(request, response, 'x-accel');
    if (url === '/livez') return send(response, LIVE);
    return send(response, problemAnswer('not_found', [], IS_GATE));
  };
}

/** A form with a PIN is much smaller. nginx accepts no larger body either. */
const MAX_BODY_BYTES = 1024;

/** Reads the body of a POST; undefined if it is too large. */
async function readConfirmation(request: IncomingMessage) {
  const { headers } = request;
  // The snippets always send a length. Node discards a body without one.
  const length = Number(headers['content-length'] ?? 0);
  if (length > MAX_BODY_BYTES) return undefined;
  const chunks: Buffer[] = [];
  if (length > 0) for await (const chunk of request) chunks.push(chunk);
  const form = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
  const [pin, ...more] = form.getAll('pin');
  return {
    fetchSite: headers[requestHeaders.fetchSite]?.toString(),
    origin: headers[requestHeaders.origin]?.toString(),
    host: hostOf(headers[requestHeaders.host]?.toString()),
    pin: more.length > 0 ? undefined : pin,
  } satisfies Confirmation;
}

/** `$host:$server_port,$http_host`. HTTP/3 has no `$http_host`, and a browser omits 443 in Origin. */
function hostOf(value: string | undefined): string | undefined {
  const [address = '', host] = value?.split(',') ?? [];
  return value && (host || address.replace(/:443$/, ''));
}

/** An error of Node's HTTP parser, with the data that it read last. */
interface ParseError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

const NO_PAGE =
  'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';

const REQUEST_ID = new RegExp(`^${requestHeaders.requestId}: ([0-9a-f]{32})\r$`, 'im');

/**
 * Denies a request that Node's parser rejects, such as control characters, which nginx passes on. Node's own 400 would be
 * a 503 for the requester. The connection is closed, so that the rest cannot be read as another request.
 */
export function createDenyUnreadable(deps: Pick<GateDependencies, 'recordDecision' | 'log'>) {
  const { recordDecision, log } = deps;
  const decision = deny('invalid_request');
  const headers = [...subrequestDenial(decision).headers, 'Connection', 'close'];
  const lines = headers.map((text, i) => text + (i % 2 === 0 ? ': ' : '\r\n')).join('');
  const denial = `HTTP/1.1 403 Forbidden\r\n${lines}\r\n`;

  return function denyUnreadable({ code = '', rawPacket }: ParseError, socket: Duplex): void {
    // The peer closed the connection or was too slow.
    if (!code.startsWith('HPE_')) return void socket.destroy();
    // More of the same request. nginx is still sending it, and closes the connection when it has the response. If the
    // gate closed it first, nginx would count a failed gate, and disable it for everyone.
    if (!socket.writable) return;
    const text = rawPacket?.toString('latin1') ?? '';
    // A page is not a decision. nginx would count a connection that closes without a response as a failed gate.
    const isPage = text.startsWith('GET /page ');
    if (!isPage) {
      recordDecision(text.startsWith('GET /x-accel ') ? 'x-accel' : 'auth_request', decision, 0);
      const fields = { code: decision.code, request_id: REQUEST_ID.exec(text)?.[1], reason: code };
      log.info(fields, 'decision');
    }
    socket.end(isPage ? NO_PAGE : denial);
  };
}
