import { createHmac } from 'node:crypto';
import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isWithin } from '../address.ts';
import { coalesce } from '../coalesce.ts';
import { perMinute } from '../rate-limit.ts';
import type { Event, EventOptions, Outcome, TakenEvent, Webhook } from './event.ts';

// Delivers the events of the store: when each attempt is made, and one request.

/** Maximum number of simultaneous requests and connections of an instance. */
export const MAX_CONCURRENT = 8;

const TIMEOUT_MS = 10_000;

/** Maximum length of a response. Its content is not used. */
const MAX_RESPONSE_BYTES = 64 * 1024;

/** Shorter than most servers keep an idle connection. */
const IDLE_MS = 4000;

/** How often to look for events that are due, or that another instance added. */
const POLL_MS = 1000;

const FIRST_DELAY_MS = 5000;
const MAX_DELAY_MS = 3_600_000;

/** The number of attempts, which take about a day. */
export const MAX_ATTEMPTS = 30;

/** How long the end of the process waits for attempts, and then for the store. */
export const CLOSE_MS = 1000;

export function createSender({ settings, open, metrics, log }: EventOptions) {
  const attempts = new Map<TakenEvent, Promise<void>>();
  let isClosed = false;
  let receiver: { readonly webhook: Webhook; readonly send: Send } | undefined;
  const logRefused = perMinute((reason) =>
    log.warn({ reason }, 'the webhook did not accept an event: Postern sends it again later'),
  );

  const take = coalesce(async () => {
    const { webhook } = settings();
    if (isClosed || webhook === undefined) {
      metrics.oldestMs = 0;
      return;
    }
    try {
      // Connections are kept until a reload changes the receiver.
      if (receiver?.webhook !== webhook) receiver = { webhook, send: createWebhookSend(webhook) };
      const { send } = receiver;
      const { events, oldestMs } = await open().take(MAX_CONCURRENT - attempts.size);
      metrics.oldestMs = oldestMs;
      for (const event of events) attempts.set(event, attempt(event, send));
    } catch {
      // The next poll tries again.
    }
  });

  async function attempt(event: TakenEvent, send: Send): Promise<void> {
    const outcome = await send(event).then(delivered, (error) => failed(event, error));
    // If this fails, the event is delivered again, with the same ID.
    await open()
      .settle(event, outcome)
      .catch(() => {});
    attempts.delete(event);
    void take();
  }

  function delivered(): Outcome {
    metrics.attempts.delivered.inc();
    return { kind: 'delivered' };
  }

  function failed({ id, attempt }: TakenEvent, { message: reason }: Error): Outcome {
    metrics.attempts.failed.inc();
    logRefused(reason);
    if (attempt < MAX_ATTEMPTS) return { kind: 'later', afterMs: delayAfter(attempt) };
    metrics.dead.inc();
    log.error(
      { event: id, attempts: attempt, reason },
      'Postern stopped sending an event: it is among the dead events',
    );
    return { kind: 'dead', reason };
  }

  const timer = setInterval(() => void take(), POLL_MS);
  timer.unref();

  return {
    take,
    /** Waits for the attempts in progress. Another instance repeats those that take too long. */
    async close(): Promise<void> {
      isClosed = true;
      clearInterval(timer);
      const ended = Promise.all(attempts.values());
      await Promise.race([ended, sleep(CLOSE_MS, undefined, { ref: false })]);
      const left = [...attempts.keys()];
      const release = (event: TakenEvent) => open().settle(event, { kind: 'later', afterMs: 0 });
      await Promise.all(left.map(release)).catch(() => {});
    },
  };
}

/** The time until the next attempt, with jitter, so that attempts do not reach the receiver in bursts. */
export function delayAfter(attempt: number, random = Math.random): number {
  const delay = Math.min(FIRST_DELAY_MS * 3 ** (attempt - 1), MAX_DELAY_MS);
  return Math.round(delay * (0.8 + 0.4 * random()));
}

/** Sends an event. Rejects with a reason, without the URL, unless the receiver answers with 2xx. */
export type Send = (event: Pick<Event, 'id' | 'body'>) => Promise<void>;

/** Does not follow redirects: they could name any address. `resolve` is `dns.lookup`, and in tests a double of it. */
export function createWebhookSend(
  { url, secrets, allow }: Webhook,
  { resolve = dnsLookup as LookupFunction, timeoutMs = TIMEOUT_MS } = {},
): Send {
  const { hostname, protocol } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const { request, Agent } = protocol === 'https:' ? https : http;
  const isAllowed = (address: string) =>
    isWithin(address, allow) || (protocol === 'https:' && isPublic(address));
  const lookup = allowedLookup(isAllowed, resolve);
  // With autoSelectFamily, Node.js asks the look-up for all addresses.
  const options = { keepAlive: true, timeout: IDLE_MS, autoSelectFamily: true, lookup };
  const agent = new Agent({ ...options, maxSockets: MAX_CONCURRENT });

  return async function send({ id, body }) {
    // Node.js does not look up an address.
    if (isIP(host) > 0 && !isAllowed(host)) throw new AddressRefused();
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'User-Agent': 'Postern',
      ...signatureHeaders(id, body, secrets),
    };
    const signal = AbortSignal.timeout(timeoutMs);
    const late = new Error(`no complete response within ${timeoutMs / 1000} seconds`);
    const closed = new Error('it closed the connection before its response was complete');
    const status = await new Promise<number>((answer, reject) => {
      const sent = request(url, { method: 'POST', agent, headers, signal }, (response) => {
        discard(response, () => answer(response.statusCode ?? 0));
      });
      sent.on('error', (error) => reject(signal.aborted ? late : error));
      sent.on('close', () => reject(signal.aborted ? late : closed));
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

/** Everything else in IPv6 is local, reserved, or has an IPv4 address in it. */
const ROUTED = ['0.0.0.0/0', '2000::/3'];

/** https://www.iana.org/assignments/iana-ipv4-special-registry/ and the one for IPv6. */
const SPECIAL = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
  ...['172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16'],
  ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3'],
  ...['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
];

export function isPublic(address: string): boolean {
  return isWithin(address, ROUTED) && !isWithin(address, SPECIAL);
}

/** A receiver's address that must not be connected to. */
export class AddressRefused extends Error {
  override readonly message = 'its address is not public: add it to POSTERN_WEBHOOK_ALLOW';
}

/** Finds only allowed addresses. The connection uses the one that was checked, so DNS cannot change it afterwards. */
function allowedLookup(
  isAllowed: (address: string) => boolean,
  resolve: LookupFunction,
): LookupFunction {
  return (name, options, callback) =>
    resolve(name, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const allowed = (found as LookupAddress[]).filter(({ address }) => isAllowed(address));
      callback(allowed.length > 0 ? null : new AddressRefused(), allowed);
    });
}
