import { readFile } from 'node:fs/promises';
import { type Environment, Failure, WrongUsage } from './failure.ts';
import { plain } from './terminal.ts';

/** A running service's API, with a key. */
export interface Api {
  /**
   * The answer's body; undefined where it has none. `body`: JSON as a text, or a form.
   *
   * @throws Problem where the service refuses, Failure where it does not answer as Postern does
   */
  ask(method: string, path: string, body?: string | URLSearchParams): Promise<unknown>;
}

const WAIT_MS = 10_000;

const WHY: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the server closed the connection',
  UND_ERR_SOCKET: 'the server closed the connection',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'cannot look up the host name',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'no route to host',
  ETIMEDOUT: 'connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'connection timed out',
};

/** For an answer that is none of the API's. */
export function notPostern(status: number): Failure {
  return new Failure(
    `the response (${status}) is not from Postern's API. ` +
      'Use the address of POSTERN_API_LISTEN, not that of the gate or of nginx.',
  );
}

class TooLate extends Error {}

export function createApi(address: string, key: string): Api {
  return {
    async ask(method, path, sent) {
      const response = await send(`${address}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          // Of a form fetch says the type itself.
          ...(typeof sent === 'string' && { 'content-type': 'application/json' }),
        },
        ...(sent !== undefined && { body: sent }),
        // The key is for this address alone.
        redirect: 'manual',
      });
      if (response.status === 204) return undefined;
      const body = parse(response.text);
      const problem = problemOf(response.status, body);
      if (problem !== undefined) throw problem;
      if (response.ok && typeof body === 'object' && body !== null) return body;
      throw notPostern(response.status);
    },
  };

  async function send(url: string, init: RequestInit) {
    const controller = new AbortController();
    // Not AbortSignal.timeout, which keeps no process alive: fetch waits indefinitely if a server hangs
    // up at once, and Node would exit without a message.
    const timer = setTimeout(() => controller.abort(new TooLate()), WAIT_MS);
    try {
      const response = await fetch(url, { ...init, signal: controller.signal });
      return { status: response.status, ok: response.ok, text: await response.text() };
    } catch (error) {
      throw new Failure(
        `${address} does not answer: ${reason(error as Error)}. Check that Postern is running ` +
          'and that this is its POSTERN_API_LISTEN; --api or POSTERN_API sets another address.',
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }
}

function reason(error: Error): string {
  if (error instanceof TooLate) return `no response within ${WAIT_MS / 1000} seconds`;
  const cause = (error.cause ?? error) as NodeJS.ErrnoException;
  return WHY[cause.code ?? ''] ?? plain(cause.code ?? cause.message);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export interface Fault {
  /** JSON pointer into the body: `/3/path`. */
  readonly pointer: string;
  readonly detail: string;
}

/** The API has refused, as RFC 9457 has it. */
export class Problem extends Failure {
  override readonly name = 'Problem';
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly faults: readonly Fault[];

  /** `place` names a fault's field for a person; the body's own name where nothing is said. */
  constructor(
    { code, status, detail, faults }: Pick<Problem, 'code' | 'status' | 'detail' | 'faults'>,
    place = (pointer: string) => pointer.replace(/^\//, ''),
  ) {
    const advice = ADVICE[code];
    super(
      [
        `${plain(code)} (${status})${detail && `: ${plain(detail)}`}`,
        ...faults.map((fault) => `  ${plain(place(fault.pointer))}: ${plain(fault.detail)}`),
        ...(advice === undefined ? [] : [advice]),
      ].join('\n'),
    );
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.faults = faults;
  }
}

/** A problem document as an error; undefined if it is none. */
export function problemOf(status: number, body: unknown): Problem | undefined {
  const { code, detail, errors } = (body ?? {}) as Record<string, unknown>;
  if (typeof code !== 'string') return undefined;
  const faults = (Array.isArray(errors) ? errors : []).map((error) => {
    const { pointer, detail: what } = (error ?? {}) as Record<string, unknown>;
    return { pointer: String(pointer).replace(/^#/, ''), detail: String(what) };
  });
  return new Problem({ code, status, detail: typeof detail === 'string' ? detail : '', faults });
}

/** What to do about an answer of the API, by its code. */
export const ADVICE: Readonly<Record<string, string>> = {
  invalid_client:
    'The service does not know this API key: compare POSTERN_API_KEY or --key-file with its POSTERN_API_KEYS.',
  invalid_request: 'Correct the command line or the input line.',
  insufficient_scope:
    'The API key does not allow this: see `paths`, `targets` and the maxima of its entry in the configuration.',
  not_found:
    'This client has no live token with that ID: it has expired, was revoked, or another API key issued it. Or the URL is that of the gate instead of the API.',
  content_too_large: 'Request fewer tokens at once.',
  unavailable:
    'The store, or the key server of an issuer, does not answer: see /readyz and the log of the service.',
  internal_error: 'See the log of the service.',
};

/** The default address of the API. */
const USUAL = 'http://127.0.0.1:7301';

/**
 * The origin of the API, `http://127.0.0.1:7301`, or with a path where a proxy gives it one. No slash
 * at the end.
 *
 * @throws WrongUsage
 */
export function apiAddress(option: string | undefined, variable: string | undefined): string {
  const given = option ?? (variable || USUAL);
  const field = option === undefined ? 'POSTERN_API' : '--api';
  const url = /^https?:\/\/[^\s\\]+$/i.test(given) && URL.canParse(given) ? new URL(given) : null;
  if (url === null) {
    throw new WrongUsage(`${field}: expected a URL such as ${USUAL}, got ${plain(given)}`);
  }
  const { username, password, search, hash } = url;
  // Not shown: it may hold a password.
  if (username + password + search + hash !== '') {
    throw new WrongUsage(`${field}: expected a URL without user, query and #, such as ${USUAL}`);
  }
  return url.href.replace(/\/+$/, '');
}

/** Characters that a header can contain. Every key and every JWT has only these. */
const KEY = /^[\x21-\x7e]+$/;

/**
 * The API key from the file, or from the environment. It is never an argument, because every user of the
 * machine can read arguments while the command runs.
 *
 * @throws Failure, whose message contains no part of the key
 */
export async function apiKey(
  file: string | undefined,
  variable: string | undefined,
): Promise<string> {
  if (file === undefined && !variable) {
    throw new WrongUsage('no API key: set POSTERN_API_KEY or pass --key-file');
  }
  const [from, text] =
    file === undefined ? ['POSTERN_API_KEY', variable ?? ''] : [file, await read(file)];
  const key = text.trim();
  if (KEY.test(key)) return key;
  throw new Failure(`${from}: expected an API key, one line of ASCII without spaces`);
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`--key-file ${file} cannot be read: ${error.code}`, { cause: error });
  });
}

/** The variables and options by which every command finds the service. */
export interface ApiOptions {
  readonly api?: string;
  readonly keyFile?: string;
}

/** @throws Failure */
export async function openApi({ api, keyFile }: ApiOptions, env: Environment): Promise<Api> {
  const address = apiAddress(api, env.POSTERN_API);
  return createApi(address, await apiKey(keyFile, env.POSTERN_API_KEY));
}
