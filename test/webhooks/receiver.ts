import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { onTestFinished } from 'vitest';
import { type Emit, type EventType, eventBody } from '../../service/webhooks/event.ts';
import { waitFor } from '../harness/wait.ts';
import { listening } from '../support/postern.ts';

/** As `whsec_` has it, of 32 bytes. */
export const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
export const OTHER_SECRET = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;

// biome-ignore lint/suspicious/noExplicitAny: data of any shape, which the test is about
export type Data = Record<string, any>;

export interface Received {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: Data;
}

export type Respond = (response: ServerResponse, event: Received, request: IncomingMessage) => void;

export const respondWith =
  (status: number, headers: Record<string, string> = {}): Respond =>
  (response) =>
    void response.writeHead(status, headers).end();

/** A receiver that verifies each event with the published library, as an application does. */
export async function startReceiver({ port = 0, secret = SECRET } = {}) {
  const received: Received[] = [];
  const state = { respond: respondWith(204), connections: 0, atOnce: 0, maxAtOnce: 0 };
  const webhook = new Webhook(secret);
  const {
    port: own,
    server,
    stop,
  } = await listening((request, response) => {
    state.atOnce += 1;
    state.maxAtOnce = Math.max(state.maxAtOnce, state.atOnce);
    response.on('close', () => {
      state.atOnce -= 1;
    });
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const headers = request.headers;
      // Throws unless the signature is right.
      const event = webhook.verify(body, headers as Record<string, string>) as Data;
      const { type, timestamp, data } = event as Pick<Received, 'type' | 'timestamp' | 'data'>;
      const one = { id: String(headers['webhook-id']), headers, body, type, timestamp, data };
      received.push(one);
      state.respond(response, one, request);
    });
  }, port);
  server.on('connection', () => {
    state.connections += 1;
  });
  onTestFinished(stop);
  return {
    url: `http://127.0.0.1:${own}/events`,
    port: own,
    received,
    state,
    stop,
    ids: () => received.map(({ id }) => id),
    /** Waits for so many different events. */
    got: (count: number) =>
      waitFor(() => new Set(received.map(({ id }) => id)).size >= count && received, {
        what: `${count} events`,
      }),
  };
}

export interface Recorded {
  readonly type: EventType;
  readonly data: Data;
}

/** Keeps events as a receiver gets them. */
export function recorder() {
  const events: Recorded[] = [];
  const emit: Emit = (type, data) => {
    events.push(JSON.parse(eventBody(type, Date.now(), data)));
  };
  return { emit, events, taken: () => events.splice(0) };
}
