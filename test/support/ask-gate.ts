import { Agent, request as requestHttp } from 'node:http';
import { onTestFinished } from 'vitest';
import { createPostern, listening, type PosternOptions } from './postern.ts';

export interface GateReply {
  readonly status: number;
  /** Names in lower case, and one character for each byte. */
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
  /** Whether the connection has served a request before. */
  readonly reused: boolean;
}

export type Headers = Record<string, string | string[]>;

/** The gate over HTTP, with the requests of the snippets. Ends with the test, or as `after` says. */
export async function startGate(
  options: PosternOptions = {},
  after: (end: () => Promise<void>) => void = onTestFinished,
) {
  const postern = createPostern(options);
  const { port, stop } = await listening(postern.gate);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  after(async () => {
    agent.destroy();
    await stop();
    await postern.store.close();
  });

  function ask(path: string, headers: Headers, method = 'GET', body = ''): Promise<GateReply> {
    return new Promise((resolve, reject) => {
      const options = { port, agent, path, headers, method };
      const request = requestHttp(options, (response) => {
        let text = '';
        response.setEncoding('latin1').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => {
          const { statusCode: status = 0, headers: told } = response;
          resolve({ status, headers: told, body: text, reused: request.reusedSocket });
        });
      });
      request.on('error', reject).end(body);
    });
  }

  const about = (uri: string, more: Headers = {}): Headers => ({
    'X-Original-URI': uri,
    'X-Original-Method': 'GET',
    'Postern-Site': 'files.example',
    ...more,
  });

  return {
    ...postern,
    port,
    ask,
    authRequest: (uri: string, more?: Headers) => ask('/auth-request', about(uri, more)),
    xAccel: (uri: string, more?: Headers) => ask('/x-accel', about(uri, more)),
    confirm: (uri: string, more?: Headers, body?: string) => {
      const posted = { 'X-Original-Method': 'POST', 'Postern-Host': 'files.example', ...more };
      return ask('/confirm', about(uri, posted), 'POST', body);
    },
  };
}
