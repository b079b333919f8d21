import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JWK } from 'jose';
import { onTestFinished } from 'vitest';

/** A real JWKS endpoint that can be stopped. It answers with `state`, or by `answer`. */
export async function endpoint(answer?: (response: ServerResponse) => void) {
  const state = { keys: [] as JWK[], asked: 0, status: 200 };
  const server = createServer((_, response) => {
    state.asked += 1;
    if (answer) return answer(response);
    response.writeHead(state.status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ keys: state.keys }));
  });
  const listen = (port = 0) =>
    new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen();
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(stop);
  return { state, uri: `http://127.0.0.1:${port}/jwks`, stop, start: () => listen(port) };
}
