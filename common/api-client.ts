import { readFile } from 'node:fs/promises';
import { PosternError } from '../client/errors.ts';
import { type ClientOptions, createSend } from '../client/http.ts';
import { Failure, systemReason, UsageError } from './errors.ts';
import type { ApiOptions } from './options.ts';
import { escapeControls } from './terminal.ts';

type NameOf = (pointer: string) => string;

const TIMEOUT_MS = 10_000;

/** The API of a running service, with an API key. */
export type ApiClient = Awaited<ReturnType<typeof openApi>>;

export async function openApi({ api, keyFile }: ApiOptions, env: NodeJS.ProcessEnv) {
  const url = api ?? (env.POSTERN_API || 'http://127.0.0.1:7301');
  const key = await apiKey(keyFile, env.POSTERN_API_KEY);
  const names = { url: api ? '--api' : 'POSTERN_API', key: keyFile ?? 'POSTERN_API_KEY' };
  const send = connected({ url, key, timeoutMs: TIMEOUT_MS }, names);
  return {
    /**
     * Returns the body of the response; undefined if it has none. `body` is JSON text or a form.
     *
     * @param nameOf the name of the field at a pointer, for error messages; by default its name in the body
     * @throws Problem if the API rejects the request, Failure if the response is not from the API
     */
    async ask(
      method: string,
      path: string,
      body?: string | URLSearchParams,
      nameOf: NameOf = (pointer) => pointer.slice(1),
    ) {
      try {
        return await send({ method, path, body });
      } catch (error) {
        throw error instanceof PosternError ? asFailure(error, url, nameOf) : error;
      }
    },
  };
}

function asFailure(error: PosternError, address: string, nameOf: NameOf): Failure {
  const { code, status = 0, cause } = error;
  if (code === 'unexpected_response') return notPostern(status);
  if (code !== 'timeout' && code !== 'unreachable') return new Problem(error, nameOf);
  const { cause: system = cause } = Object(cause) as Error;
  const reason =
    code === 'timeout' ? `no response within ${TIMEOUT_MS / 1000} seconds` : systemReason(system);
  return new Failure(
    `${address} does not answer: ${reason}. Check that Postern is ` +
      'running and that this is its POSTERN_API_LISTEN; --api or POSTERN_API sets another address.',
    { cause: error },
  );
}

/** The error for a response that is not from the API. */
export function notPostern(status: number): Failure {
  return new Failure(
    `the response (${status}) is not from Postern's API. ` +
      'Use the address of POSTERN_API_LISTEN, not that of the gate or of nginx.',
  );
}

/** The API rejected the request (RFC 9457). */
export class Problem extends Failure {
  override readonly name = 'Problem';
  readonly document: PosternError;

  constructor(document: PosternError, nameOf: NameOf) {
    const { code, status, detail, errors } = document;
    const lines = [
      `${code} (${status})${detail && `: ${detail}`}`,
      ...errors.map((error) => `  ${nameOf(error.pointer)}: ${error.detail}`),
    ];
    const advice = Object.hasOwn(ADVICE, code) ? [ADVICE[code]] : [];
    super([...lines.map(escapeControls), ...advice].join('\n'));
    this.document = document;
  }
}

/** What to do about a problem, by its code, if the response does not say it. */
const ADVICE: Readonly<Record<string, string>> = {
  invalid_client:
    'The service has no such API key: compare POSTERN_API_KEY or --key-file with its POSTERN_API_KEYS.',
  insufficient_scope:
    'The API key does not allow this: see `paths`, `targets`, the maxima and `admin` of its entry in the configuration.',
  not_found:
    'This client has no live token with that ID: it has expired, was revoked, or another API key issued it.',
  unavailable:
    'The store, or the key server of an issuer, does not answer: see /readyz and the log of the service.',
  internal_error: 'See the log of the service.',
};

/** @throws UsageError, whose message contains no part of the key */
function connected(options: ClientOptions, names: Readonly<Record<string, string>>) {
  try {
    return createSend(options);
  } catch (error) {
    // The message of the client begins with the name of its option.
    const text = (error as TypeError).message.replace(/^\w+/, (name) => names[name] ?? name);
    throw new UsageError(text, { cause: error });
  }
}

/**
 * The API key from the file, or from the environment. It is never an argument, because every user of the
 * machine can read arguments while the command runs.
 */
async function apiKey(file: string | undefined, variable: string | undefined): Promise<string> {
  if (file === undefined && !variable) {
    throw new UsageError('no API key: set POSTERN_API_KEY or pass --key-file');
  }
  const unreadable = (error: unknown) => {
    const reason = `--key-file ${file} cannot be read: ${systemReason(error)}`;
    throw new Failure(reason, { cause: error });
  };
  const text = file === undefined ? variable : await readFile(file, 'utf8').catch(unreadable);
  return text?.trim() ?? '';
}
