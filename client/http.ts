import { type ApiErrorCode, type InvalidField, PosternError } from './errors.ts';

/** How to reach the API. */
export interface ClientOptions {
  /** URL of the API (`POSTERN_API_LISTEN`), with a path if a proxy adds one: `http://127.0.0.1:7301`. */
  readonly url: string;
  /** The API key, or a function that returns it, for example an access token that changes. */
  readonly key: string | (() => string | Promise<string>);
  /** Maximum time of a call with all its retries, or of each batch of `issueMany`, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number;
  /** How often a call is sent again, if sending it twice has the effect of sending it once. Default: 2. */
  readonly retries?: number;
  /**
   * Sends the calls of `issue` in one turn of the event loop as one request. A call with a `signal` stays alone.
   * Default: false, because one key then is for all of them.
   */
  readonly batch?: boolean;
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/** Options of one call. */
export interface CallOptions {
  /** Ends the call. The promise rejects with the reason of the signal. */
  readonly signal?: AbortSignal;
}

/** A request to the API. */
export interface ApiRequest extends CallOptions {
  readonly method: string;
  /** The path below the URL of the API, with the query. */
  readonly path: string;
  /** JSON text, or a form. */
  readonly body?: string | URLSearchParams | undefined;
  /** Sending it twice has the effect of sending it once. */
  readonly repeatable?: boolean;
}

/** More than a page of 100 tokens with the longest fields. */
const MAX_RESPONSE_BYTES = 4 << 20;

const FIRST_PAUSE_MS = 200;

/** Returns a function that sends a request, and returns the JSON of the response: undefined for 204, `{}` for an empty one. */
export function createSend(options: ClientOptions): (request: ApiRequest) => Promise<unknown> {
  const { key, timeoutMs = 10_000, retries = 2 } = options;
  const base = baseOf(options.url);
  const keyOf = typeof key === 'function' ? key : () => key;
  // Report a missing key when the client is created.
  if (typeof key !== 'function') checkedKey(key);

  async function attempt({ method, path, body }: ApiRequest, secret: string, signal: AbortSignal) {
    const headers = {
      authorization: `Bearer ${secret}`,
      accept: 'application/json',
      // fetch sets the type of a form.
      ...(typeof body === 'string' && { 'content-type': 'application/json' }),
    };
    // A redirect would send the key to another address.
    const init = { method, headers, signal, redirect: 'manual' } as const;
    const fetched = options.fetch ?? fetch;
    const response = await fetched(base + path, body === undefined ? init : { ...init, body });
    return jsonOf(response, await textOf(response));
  }

  return async function send(request) {
    const secret = checkedKey(await keyOf());
    const controller = new AbortController();
    const { signal } = controller;
    const cancel = () => controller.abort(request.signal?.reason);
    if (request.signal?.aborted) cancel();
    request.signal?.addEventListener('abort', cancel);
    const late = new PosternError('timeout', { detail: `no response within ${timeoutMs} ms` });
    const end = Date.now() + timeoutMs;
    // AbortSignal.timeout does not keep a process of Node.js alive.
    const timer = setTimeout(() => controller.abort(late), timeoutMs);
    try {
      for (let retry = 0; ; retry += 1) {
        try {
          return await attempt(request, secret, signal);
        } catch (error) {
          if (signal.aborted) throw signal.reason;
          const failure = error instanceof PosternError ? error : unreachable(base, error);
          const isLast = retry === retries || !mayRetry(request, failure);
          const pause = pauseBefore(retry, failure);
          if (isLast || Date.now() + pause >= end) throw failure;
          await pauseFor(pause, signal);
        }
      }
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', cancel);
    }
  };
}

function baseOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!/^https?:$/.test(parsed?.protocol ?? '')) {
    throw new TypeError('url: expected the URL of the API, such as http://127.0.0.1:7301');
  }
  const { username, password, search, hash, href } = parsed as URL;
  // The message does not contain the URL, which may contain a password.
  if (username + password + search + hash !== '') {
    throw new TypeError('url: expected a URL without user, query and #');
  }
  return href.replace(/\/+$/, '');
}

/** Every key and every JWT has only these characters. `fetch` would show a wrong one in its error. */
function checkedKey(key: string): string {
  if (typeof key === 'string' && /^[\x21-\x7e]+$/.test(key)) return key;
  throw new TypeError('key: expected an API key, one line of ASCII without spaces');
}

function unreachable(base: string, cause: unknown): PosternError {
  return new PosternError('unreachable', { detail: `${base} does not answer`, cause });
}

/** Postern has not begun a request that gets `too_many_requests`. */
function mayRetry({ repeatable }: ApiRequest, { code, status = 503 }: PosternError): boolean {
  const isFromProxy = code === 'unexpected_response' && [502, 503, 504].includes(status);
  const isTemporary = code === 'unreachable' || code === 'unavailable' || isFromProxy;
  return code === 'too_many_requests' || (repeatable === true && isTemporary);
}

/** In milliseconds. Random, so that many clients do not retry at the same time. */
function pauseBefore(retry: number, { retryAfter }: PosternError): number {
  if (retryAfter !== undefined) return retryAfter * 1000;
  return FIRST_PAUSE_MS * 2 ** retry * (0.5 + Math.random() / 2);
}

function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** A server that is not Postern could send without end. */
async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_RESPONSE_BYTES) throw unexpectedResponse(response.status);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function jsonOf(response: Response, text: string): unknown {
  const { status, ok, headers } = response;
  const body = tryParseJson(text);
  const { code, detail, errors } = Object(body) as Record<string, unknown>;
  if (!ok && typeof code === 'string') {
    const seconds = headers.get('retry-after') ?? '';
    throw new PosternError(code as ApiErrorCode, {
      status,
      detail: typeof detail === 'string' ? detail : '',
      errors: fieldsOf(errors),
      requestId: headers.get('x-request-id') ?? undefined,
      retryAfter: /^\d{1,6}$/.test(seconds) ? Number(seconds) : undefined,
    });
  }
  if (ok && text === '') return status === 204 ? undefined : {};
  if (ok && typeof body === 'object' && body !== null) return body;
  throw unexpectedResponse(status);
}

function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** RFC 9457, section 3: each entry names a field by a JSON pointer in a URI fragment. */
function fieldsOf(errors: unknown): InvalidField[] {
  return (Array.isArray(errors) ? errors : []).map((error) => {
    const { pointer, detail } = Object(error) as Record<string, unknown>;
    return { pointer: String(pointer).replace(/^#/, ''), detail: String(detail) };
  });
}

/** The error for a response that is not from the API. */
export function unexpectedResponse(status: number): PosternError {
  const detail =
    "the response is not from Postern's API: use the address of POSTERN_API_LISTEN, not that of the gate or of nginx";
  return new PosternError('unexpected_response', { status, detail });
}
