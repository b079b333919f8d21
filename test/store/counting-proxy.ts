import { type AddressInfo, connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';
import { endTogether } from './end-together.ts';

/** Passes everything on to a port, and counts the round trips: what is sent after an answer. */
export async function startCountingProxy(to: number): Promise<{ port: number; turns(): number }> {
  let turns = 0;
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    let answered = true;
    client.on('data', (data) => {
      if (answered) turns += 1;
      answered = false;
      upstream.write(data);
    });
    upstream.on('data', (data) => {
      answered = true;
      client.write(data);
    });
    endTogether(client, upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, turns: () => turns };
}
