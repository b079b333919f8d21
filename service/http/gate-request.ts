import type { IncomingHttpHeaders } from 'node:http';
import type { GateRequest } from '../domain/decision.ts';
import { ask } from './headers.ts';

/**
 * What the snippets send about the client's request. They send it themselves and pass no header
 * of the client's; a header that is missing reads as one that fits nothing.
 */
export function gateRequest(headers: IncomingHttpHeaders): GateRequest {
  return {
    uri: one(headers[ask.uri]) ?? '',
    method: one(headers[ask.method]) ?? '',
    site: one(headers[ask.site]) ?? '',
    authorization: headers.authorization,
    cookie: one(headers[ask.cookie]),
    resume: one(headers[ask.resume]),
    address: one(headers[ask.address]),
    prefetch: isPrefetch(headers[ask.secPurpose]) || isPrefetch(headers[ask.purpose]),
    serviceWorker: headers[ask.serviceWorker] === 'script',
  };
}

/** `prefetch`, `prefetch;prerender`, and what else a browser may call it that fetches ahead. */
function isPrefetch(purpose: string | string[] | undefined): boolean {
  return purpose !== undefined && /prefetch|prerender|preview/i.test(String(purpose));
}

function one(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
