import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';

const CUT_AT = 1_000_000;

/** Forwards connections to a port, and cuts the first that carries more than a megabyte. */
export async function startCutter(port: number) {
  let isCut = false;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let bytes = 0;
    upstream.on('data', (chunk) => {
      bytes += chunk.length;
      client.write(chunk);
      if (isCut || bytes < CUT_AT) return;
      isCut = true;
      client.end();
      upstream.destroy();
    });
    client.on('data', (chunk) => upstream.write(chunk));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.end());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, isCut: () => isCut };
}
