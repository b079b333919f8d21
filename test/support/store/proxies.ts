import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/**
 * Leads each connection to the port that `to` returns then. `join` passes on what the two ends send, and
 * whichever of them ends, the other one does.
 */
export async function startProxy(
  to: () => number,
  join: (client: Socket, upstream: Socket) => void,
  port = 0,
): Promise<{ readonly port: number; close(): void }> {
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to(), '127.0.0.1');
    clients.add(client);
    client.on('close', () => clients.delete(client));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('close', () => other.destroy());
      one.on('error', () => other.destroy());
    }
    join(client, upstream);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const client of clients) client.destroy();
    },
  };
}

async function proxyForTest(...how: Parameters<typeof startProxy>): Promise<number> {
  const { port, close } = await startProxy(...how);
  onTestFinished(close);
  return port;
}

/** Counts the round trips to a port: what is sent after an answer. */
export async function startCountingProxy(to: number): Promise<{ port: number; turns(): number }> {
  let turns = 0;
  const port = await proxyForTest(
    () => to,
    (client, upstream) => {
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
    },
  );
  return { port, turns: () => turns };
}

/** Passes everything on to a Redis. */
export async function startHoldingProxy(first: number) {
  let to = first;
  let held: RegExp | undefined;
  let losing: string | undefined;
  let hasLost = false;
  let connections = 0;
  const pairs = new Set<{ readonly client: Socket; readonly upstream: Socket }>();
  const join = (client: Socket, upstream: Socket) => {
    connections += 1;
    let isLosing = false;
    const pair = { client, upstream };
    pairs.add(pair);
    client.on('close', () => pairs.delete(pair));
    client.on('data', (data) => {
      if (held?.test(data.toString('latin1'))) upstream.pause();
      if (losing !== undefined && data.includes(losing)) {
        losing = undefined;
        isLosing = true;
      }
      upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (!isLosing) return void client.write(data);
      isLosing = false;
      hasLost = true;
    });
  };
  return {
    port: await proxyForTest(() => to, join),
    /** Replies wait from the next command on that matches. */
    hold(command: RegExp) {
      held = command;
    },
    /** The reply to the next command that contains the text is lost. */
    lose(text: string) {
      losing = text;
    },
    hasLost: () => hasLost,
    /** Whether a reply waits. */
    isHolding: () => [...pairs].some(({ upstream }) => upstream.isPaused()),
    release() {
      held = undefined;
      for (const { upstream } of pairs) upstream.resume();
    },
    /** The open connections become silent, as with a lost host. New ones are served. */
    swallow() {
      for (const { client, upstream } of pairs) {
        client.pause();
        upstream.pause();
      }
    },
    /** Resets the open connections. New ones are served. */
    reset() {
      for (const { client } of pairs) client.resetAndDestroy();
    },
    /** New connections go to another server. The open ones stay. */
    moveTo(port: number) {
      to = port;
    },
    /** How many connections were made. */
    connections: () => connections,
  };
}
