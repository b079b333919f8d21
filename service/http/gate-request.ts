import type { IncomingHttpHeaders } from 'node:http';
import type { GateRequest } from '../domain/authorize.ts';
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
    serviceWorker: headers[ask.serviceWorker] === 'script',
  };
}

function one(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
