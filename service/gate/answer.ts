import type { ServerResponse } from 'node:http';
import { PROBLEM_TYPE, type ProblemCode, problemBody, statusOf } from '../problem.ts';

/** A whole answer of the gate. Headers are names and values in turn, as Node writes them. */
export interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  /** Absent: `Content-Length: 0`, or a 204. A body costs nginx its keepalive connection. */
  readonly body?: string;
}

export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers as string[]);
  response.end(body);
}

export function problemAnswer(code: ProblemCode, headers: readonly string[] = []): Answer {
  const body = problemBody(code);
  const own = ['Cache-Control', 'no-store', 'Content-Type', PROBLEM_TYPE];
  const length = ['Content-Length', String(Buffer.byteLength(body))];
  return { status: statusOf(code), headers: [...headers, ...own, ...length], body };
}

const LIVE = '{"status":"ok"}';

/** The process runs and answers. Says nothing of the store: that is `/readyz`. */
export function livez(): Answer {
  const headers = ['Cache-Control', 'no-store', 'Content-Type', 'application/json'];
  return { status: 200, headers: [...headers, 'Content-Length', String(LIVE.length)], body: LIVE };
}
