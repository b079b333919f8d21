import { readFile } from 'node:fs/promises';
import type { Environment } from '../service/config/environment.ts';
import { Failure, UsageError } from './errors.ts';
import { systemReason, tryParseJson } from './io.ts';
import type { ApiOptions } from './options.ts';
import { escapeControls } from './terminal.ts';

/** The API of a running service, with an API key. */
export interface ApiClient {
  /**
   * Returns the body of the response; undefined if it has none. `body` is JSON text or a form.
   *
   * @throws Problem if the API rejects the request, Failure if the response is not from the API
   */
  ask(method: string, path: string, body?: string | URLSearchParams): Promise<unknown>;
}

export async function openApi({ api, keyFile }: ApiOptions, env: Environment): Promise<ApiClient> {
  const address = apiAddress(api, env.POSTERN_API);
  return createApiClient(address, await apiKey(keyFile, env.POSTERN_API_KEY));
}

const TIMEOUT_MS = 10_000;

/** More than a page of 1,000 tokens with the longest fields. */
const MAX_RESPONSE_BYTES = 32 << 20;

export function createApiClient(address: string, key: string): ApiClient {
  return {
    async ask(method, path, sent) {
      const response = await send(`${address}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          // fetch sets the type of a form.
          ...(typeof sent === 'string' && { 'content-type': 'application/json' }),
        },
        ...(sent !== undefined && { body: sent }),
        // The key must not go to another address.
        redirect: 'manual',
      });
      if (response.status === 204) return undefined;
      const body = tryParseJson(response.text);
      const problem = parseProblem(response.status, body);
      if (problem !== undefined) throw problem;
      if (response.ok && typeof body === 'object' && body !== null) return body;
      throw notPostern(response.status);
    },
  };

  async function send(url: string, init: RequestInit) {
    const controller = new AbortController();
    const late = new Error(`no response within ${TIMEOUT_MS / 1000} seconds`);
    // Not AbortSignal.timeout, which keeps no process alive: fetch waits indefinitely if a server hangs
    // up at once, and Node would exit without a message.
    const timer = setTimeout(() => controller.abort(late), TIMEOUT_MS);
    try {
      const response = await fetch(url, { ...init, signal: controller.signal });
      return { status: response.status, ok: response.ok, text: await textOf(response) };
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure(
        `${address} does not answer: ${systemReason((error as Error).cause ?? error)}. Check that Postern is ` +
          'running and that this is its POSTERN_API_LISTEN; --api or POSTERN_API sets another address.',
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A server that is not Postern could send without end. */
async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_RESPONSE_BYTES) throw notPostern(response.status);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The error for a response that is not from the API. */
export function notPostern(status: number): Failure {
  return new Failure(
    `the response (${status}) is not from Postern's API. ` +
      'Use the address of POSTERN_API_LISTEN, not that of the gate or of nginx.',
  );
}

interface FieldError {
  /** JSON pointer into the body: `/3/path`. */
  readonly pointer: string;
  readonly detail: string;
}

interface ProblemDocument {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly fieldErrors: readonly FieldError[];
}

/** The API rejected the request (RFC 9457). */
export class Problem extends Failure {
  override readonly name = 'Problem';
  readonly document: ProblemDocument;

  /** `fieldName` translates a pointer for a person. By default it is the name in the body. */
  constructor(document: ProblemDocument, fieldName = (pointer: string) => pointer.slice(1)) {
    const { code, status, detail, fieldErrors } = document;
    const lines = [
      `${code} (${status})${detail && `: ${detail}`}`,
      ...fieldErrors.map((error) => `  ${fieldName(error.pointer)}: ${error.detail}`),
    ];
    super(
      [...lines.map(escapeControls), ...(Object.hasOwn(ADVICE, code) ? [ADVICE[code]] : [])].join(
        '\n',
      ),
    );
    this.document = document;
  }
}

/** A problem document as an error. Undefined for another body. */
function parseProblem(status: number, body: unknown): Problem | undefined {
  const { code, detail, errors } = (body ?? {}) as Record<string, unknown>;
  if (typeof code !== 'string') return undefined;
  const fieldErrors = (Array.isArray(errors) ? errors : []).map((error) => {
    const { pointer, detail: what } = (error ?? {}) as Record<string, unknown>;
    return { pointer: String(pointer).replace(/^#/, ''), detail: String(what) };
  });
  return new Problem({
    status,
    code,
    detail: typeof detail === 'string' ? detail : '',
    fieldErrors,
  });
}

/** What to do about a problem, by its code. */
const ADVICE: Readonly<Record<string, string>> = {
  invalid_client:
    'The service does not know this API key: compare POSTERN_API_KEY or --key-file with its POSTERN_API_KEYS.',
  invalid_request: 'Correct the command line or the input line.',
  insufficient_scope:
    'The API key does not allow this: see `paths`, `targets`, the maxima and `admin` of its entry in the configuration.',
  not_found:
    'This client has no live token with that ID: it has expired, was revoked, or another API key issued it. Or the URL is that of the gate instead of the API.',
  content_too_large: 'Request fewer tokens at once.',
  unavailable:
    'The store, or the key server of an issuer, does not answer: see /readyz and the log of the service.',
  internal_error: 'See the log of the service.',
};

const DEFAULT_API = 'http://127.0.0.1:7301';

/** The URL of the API, with a path if a proxy adds one, without a slash at the end. */
function apiAddress(option: string | undefined, variable: string | undefined): string {
  const given = option ?? (variable || DEFAULT_API);
  const field = option === undefined ? 'POSTERN_API' : '--api';
  const url = /^https?:\/\/[^\s\\]+$/i.test(given) && URL.canParse(given) ? new URL(given) : null;
  if (url === null) {
    throw new UsageError(
      `${field}: expected a URL such as ${DEFAULT_API}, got ${escapeControls(given)}`,
    );
  }
  const { username, password, search, hash } = url;
  // The message does not contain the URL, which may contain a password.
  if (username + password + search + hash !== '') {
    throw new UsageError(
      `${field}: expected a URL without user, query and #, such as ${DEFAULT_API}`,
    );
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
async function apiKey(file: string | undefined, variable: string | undefined): Promise<string> {
  if (file === undefined && !variable) {
    throw new UsageError('no API key: set POSTERN_API_KEY or pass --key-file');
  }
  const text = file === undefined ? variable : await readFile(file, 'utf8').catch(unreadable);
  const key = text?.trim() ?? '';
  if (KEY.test(key)) return key;
  const from = file ?? 'POSTERN_API_KEY';
  throw new Failure(`${from}: expected an API key, one line of ASCII without spaces`);

  function unreadable(error: unknown): never {
    throw new Failure(`--key-file ${file} cannot be read: ${systemReason(error)}`, {
      cause: error,
    });
  }
}
