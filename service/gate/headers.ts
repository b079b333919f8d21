import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Confirmation, GateRequest } from '../domain/decision.ts';

/** Headers that nginx/snippets/ and the gate share. In lower case, as Node provides them. */
export const requestHeaders = {
  uri: 'x-original-uri',
  method: 'x-original-method',
  address: 'x-real-ip',
  site: 'postern-site',
  cookie: 'postern-cookie',
  resume: 'postern-resume',
  requestId: 'x-request-id',
  traceparent: 'traceparent',
  secPurpose: 'sec-purpose',
  purpose: 'purpose',
  serviceWorker: 'service-worker',
  fetchSite: 'sec-fetch-site',
  origin: 'origin',
  host: 'postern-host',
} as const;

export const responseHeaders = {
  target: 'Postern-Target',
  args: 'Postern-Args',
  object: 'Postern-Object',
  tokenId: 'Postern-Token-Id',
  subject: 'Postern-Subject',
  disposition: 'Postern-Disposition',
  limitRate: 'Postern-Limit-Rate',
  /** Two names: nginx joins headers with the same name. */
  setCookie: 'Postern-Set-Cookie',
  setCookie2: 'Postern-Set-Cookie-2',
  reason: 'Postern-Reason',
  returnUrl: 'Postern-Return',
  file: 'Postern-File',
  until: 'Postern-Until',
  listing: 'Postern-Listing',
} as const;

/**
 * The client's request as the snippets report it. They pass no header of the client under these names.
 * A missing header gives a value that no token covers.
 */
export function gateRequest(
  headers: IncomingHttpHeaders,
  confirmation?: Confirmation,
): GateRequest {
  return {
    uri: one(headers[requestHeaders.uri]) ?? '',
    method: one(headers[requestHeaders.method]) ?? '',
    site: one(headers[requestHeaders.site]) ?? '',
    authorization: headers.authorization,
    cookie: one(headers[requestHeaders.cookie]),
    resume: one(headers[requestHeaders.resume]),
    address: one(headers[requestHeaders.address]),
    prefetch:
      isPrefetch(headers[requestHeaders.secPurpose]) || isPrefetch(headers[requestHeaders.purpose]),
    serviceWorker: headers[requestHeaders.serviceWorker] === 'script',
    confirmation,
  };
}

/** Browsers send `prefetch`, `prefetch;prerender`, and similar values. */
function isPrefetch(purpose: string | string[] | undefined): boolean {
  return purpose !== undefined && /prefetch|prerender|preview/i.test(String(purpose));
}

function one(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A form with a PIN is much smaller. nginx accepts no larger body either. */
const MAX_BODY_BYTES = 1024;

/** What a POST says; undefined if its body is too large. */
export async function readConfirmation(
  request: IncomingMessage,
): Promise<Confirmation | undefined> {
  const { headers } = request;
  // Without a length there is no body from the snippets, and Node discards it.
  const length = Number(headers['content-length'] ?? 0);
  if (length > MAX_BODY_BYTES) return undefined;
  const chunks: Buffer[] = [];
  if (length > 0) for await (const chunk of request) chunks.push(chunk);
  const form = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
  const [pin, ...more] = form.getAll('pin');
  return {
    fetchSite: headers[requestHeaders.fetchSite]?.toString(),
    origin: headers[requestHeaders.origin]?.toString(),
    host: headers[requestHeaders.host]?.toString(),
    pin: more.length > 0 ? undefined : pin,
  };
}
