import { createHmac } from 'node:crypto';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isWithin } from '../domain/address.ts';
import type { Event } from '../domain/event.ts';
import { allowedLookup, checkHost, isPublic, type Resolve } from './addresses.ts';

/** Requests at a time, and the maximum number of connections of an instance. */
export const MAX_CONCURRENT = 8;

/** For a whole request. */
const TIMEOUT_MS = 10_000;

/** Of a response, which nobody reads. */
const MAX_RESPONSE_BYTES = 64 * 1024;

/** Shorter than most servers keep an idle connection. */
const IDLE_MS = 4000;

/** A receiver of events. */
export interface Webhook {
  readonly url: string;
  /** Each signs each request. */
  readonly secrets: readonly Buffer[];
  /** Addresses and ranges that are not public and may be connected to, also without TLS. */
  readonly allow: readonly string[];
}

/** Sends an event. Rejects with a reason, without the URL, unless the receiver answers with 2xx. */
export type Send = (event: Event) => Promise<void>;

export interface SendOptions {
  readonly resolve?: Resolve;
  readonly timeoutMs?: number;
}

/** Redirects are not followed: they could lead to any address. */
export function createSend({ url, secrets, allow }: Webhook, options: SendOptions = {}): Send {
  const { resolve, timeoutMs = TIMEOUT_MS } = options;
  const { hostname, protocol } = new URL(url);
  const { request, Agent } = protocol === 'https:' ? https : http;
  const isAllowed = (address: string) =>
    isWithin(address, allow) || (protocol === 'https:' && isPublic(address));
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONCURRENT, timeout: IDLE_MS });
  const lookup = allowedLookup(isAllowed, resolve);

  return async function send({ id, body }) {
    checkHost(hostname, isAllowed);
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'User-Agent': 'Postern',
      ...signatureHeaders(id, body, secrets),
    };
    const status = await new Promise<number>((answer, reject) => {
      const sent = request(url, { method: 'POST', agent, lookup, headers }, (response) => {
        discard(response, () => answer(response.statusCode ?? 0));
      });
      const late = new Error(`no complete response within ${timeoutMs / 1000} seconds`);
      const timer = setTimeout(() => sent.destroy(late), timeoutMs).unref();
      sent.on('error', reject);
      sent.on('close', () => {
        clearTimeout(timer);
        reject(late);
      });
      sent.end(body);
    });
    if (status < 200 || status > 299) throw new Error(`status ${status}`);
  };
}

/** Reads to the end, so that the connection can be used again, unless there is too much. */
function discard(response: IncomingMessage, onEnd: () => void): void {
  let bytes = 0;
  response.on('data', ({ length }: Buffer) => {
    bytes += length;
    if (bytes <= MAX_RESPONSE_BYTES) return;
    onEnd();
    response.destroy();
  });
  response.on('end', onEnd);
}

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export function signatureHeaders(id: string, body: string, secrets: readonly Buffer[]) {
  const timestamp = Math.floor(Date.now() / 1000);
  const signatures = secrets.map((secret) => {
    const hmac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`);
    return `v1,${hmac.digest('base64')}`;
  });
  return {
    'Webhook-Id': id,
    'Webhook-Timestamp': timestamp,
    'Webhook-Signature': signatures.join(' '),
  };
}
