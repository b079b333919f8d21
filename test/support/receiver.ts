import { writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { onTestFinished } from 'vitest';
import { type Emit, type EventType, eventBody } from '../../service/events/event.ts';
import { waitFor } from '../harness/wait.ts';
import { serviceForTest } from './ask-service.ts';
import { folderForTest } from './for-test.ts';
import { listening } from './postern.ts';

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

/** A file with secrets, one on each line. */
export async function secretFile(...secrets: string[]): Promise<string> {
  const folder = await folderForTest();
  const path = join(folder, 'webhook-secret');
  await writeFile(path, `${secrets.join('\n')}\n`);
  return path;
}

/** The built service, which sends its events to a URL on the loopback. */
export async function startInstance(url: string, env: Record<string, string> = {}) {
  const service = await serviceForTest({
    POSTERN_STORE_TIMEOUT_MS: '10000',
    POSTERN_WEBHOOK_URL: url,
    POSTERN_WEBHOOK_SECRET_FILE: await secretFile(SECRET),
    POSTERN_WEBHOOK_ALLOW: '127.0.0.1',
    ...env,
  });
  const gate = async (uri: string, address = '192.0.2.7') =>
    (await service.gate(uri, { 'X-Real-IP': address })).status;
  return { ...service, gate };
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
