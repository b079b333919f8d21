import { type AddressInfo, connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';
import { endTogether } from './end-together.ts';

/** Passes everything on to a port, and replaces texts in the replies by texts of the same length. */
export async function startRewritingProxy(
  to: number,
  rewrite: (reply: string) => string,
  port = 0,
): Promise<{ port: number }> {
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    client.on('data', (data) => void upstream.write(data));
    upstream.on('data', (data) => {
      client.write(Buffer.from(rewrite(data.toString('latin1')), 'latin1'));
    });
    endTogether(client, upstream);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port };
}
