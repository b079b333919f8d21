import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { UsageError } from '../../common/errors.ts';

export type Endpoint = ReturnType<typeof endpointOf>;

export interface Request {
  /** Default: GET. */
  readonly method?: string;
  /** Sent unchanged in the request line. `fetch` would resolve `..`. */
  readonly target: string;
  /** A header with a list is sent once for each value. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly from?: string | undefined;
}

export type SiteResponse = Awaited<ReturnType<typeof sendRequest>>;

/** The first header with this name, which is in lower case. */
export function headerOf({ headers }: SiteResponse, name: string): string | undefined {
  return headers.find(([own]) => own === name)?.[1];
}

/** The site sent no response, which proves nothing. The message says why. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** The message of a NoAnswer if the site closed the connection before the end of the headers, so before any file. */
export const CLOSED = 'the connection was closed';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 1 << 20;

/**
 * Sends one request over a new connection. A body that ends early is returned as it was received.
 *
 * @throws NoAnswer
 */
export async function sendRequest(
  { tls, host, port, authority, name }: Endpoint,
  { method = 'GET', target, headers, from }: Request,
  signal: AbortSignal,
) {
  const own = { Host: authority, Accept: '*/*', 'User-Agent': 'postern-doctor' };
  const sent = (tls ? requestHttps : requestHttp)({
    host,
    port,
    // A server name is never an address (RFC 6066, section 3).
    servername: isIP(name) ? '' : name,
    localAddress: from,
    method,
    path: target,
    headers: { ...own, Connection: 'close', ...headers },
    agent: false,
    insecureHTTPParser: true,
    maxHeaderSize: MAX_BYTES,
    signal,
  });
  // The limit is for the whole exchange: a site that sends one byte at a time must not block the doctor.
  const timer = setTimeout(() => {
    sent.destroy(new Error(`no response within ${TIMEOUT_MS / 1000} s`));
  }, TIMEOUT_MS);
  // This listener stays for errors after the response.
  sent.on('error', () => {});
  try {
    const [response] = (await once(sent.end(), 'response')) as [IncomingMessage];
    const { localAddress = '', remoteAddress = '' } = response.socket;
    const body = await bodyOf(response);
    const { statusCode: status = 0, rawHeaders } = response;
    return { status, headers: pairs(rawHeaders), body, localAddress, remoteAddress };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // `return 444` resets the connection if nginx has `reset_timedout_connection on`.
    if (code === 'ECONNRESET') throw new NoAnswer(CLOSED);
    throw new NoAnswer(signal.aborted ? 'stopped' : (code ?? message));
  } finally {
    clearTimeout(timer);
    sent.destroy();
  }
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_BYTES) break;
    }
  } catch {
    // The body is incomplete.
  }
  return Buffer.concat(chunks);
}

/** The headers with names in lower case, in the order in which they were received, duplicates included. */
function pairs(raw: readonly string[]) {
  return raw.flatMap((name, at) =>
    at % 2 === 0 ? [[name.toLowerCase(), raw[at + 1] ?? ''] as const] : [],
  );
}

/** Reads the URL of a site. `connect` is a `host:port` to connect to instead, like curl's --connect-to. */
export function endpointOf(address: string, connect: string | undefined) {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new UsageError(
      `expected the URL of a site such as https://files.example/, got ${address}`,
    );
  }
  const { pathname, search, hash, username, password } = url;
  if (pathname !== '/' || search || hash || username || password) {
    throw new UsageError(
      'the URL of the site must not have a path, query or user; --path names the canary',
    );
  }
  const tls = url.protocol === 'https:';
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const to = connect === undefined ? undefined : /^(.+):(\d{1,5})$/.exec(connect);
  if (connect !== undefined && !to) {
    throw new UsageError(`--connect: expected host:port, got ${connect}`);
  }
  const [, host = name, port = url.port || (tls ? '443' : '80')] = to ?? [];
  return {
    tls,
    host: host.replace(/^\[|\]$/g, ''),
    port: Number(port),
    /** Value of the `Host` header. */
    authority: url.host,
    /** Name in the certificate. */
    name,
  };
}
