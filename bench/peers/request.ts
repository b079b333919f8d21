import { type RequestOptions, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** A port or a Unix socket of this machine. */
export type Where =
  | Required<Pick<RequestOptions, 'port'>>
  | Required<Pick<RequestOptions, 'socketPath'>>;

export interface Reply {
  readonly status: number;
  readonly body: string;
}

/** fetch() does not support Unix sockets. No agent: an idle connection would delay the stop. */
export function ask(where: Where, path: string, headers = {}, body?: string): Promise<Reply> {
  const method = body === undefined ? 'GET' : 'POST';
  return new Promise((resolve, reject) => {
    const asked = request({ ...where, path, method, headers, agent: false, timeout: 5_000 });
    asked.on('response', (reply) => {
      text(reply).then((said) => resolve({ status: reply.statusCode ?? 0, body: said }), reject);
    });
    asked.on('timeout', () => asked.destroy(new Error('no response within 5 s')));
    asked.on('error', reject);
    asked.end(body);
  });
}

/** Whether a server responds. */
export function answers(where: Where): Promise<boolean> {
  return ask(where, '/').then(
    () => true,
    () => false,
  );
}
