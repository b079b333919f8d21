import { Failure } from '../failure.ts';
import { plain } from '../plain.ts';
import { problemOf } from './problem.ts';

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
