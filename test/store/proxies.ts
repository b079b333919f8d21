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

/** Replaces texts in the replies of a port by texts of the same length. */
export async function startRewritingProxy(
  to: number,
  rewrite: (reply: string) => string,
  port = 0,
): Promise<{ port: number }> {
  const join = (client: Socket, upstream: Socket) => {
    client.on('data', (data) => void upstream.write(data));
    upstream.on('data', (data) => {
      client.write(Buffer.from(rewrite(data.toString('latin1')), 'latin1'));
    });
  };
  return { port: await proxyForTest(() => to, join, port) };
}

export interface HoldingProxy {
  readonly port: number;
  /** Replies wait from the next command on that matches. */
  hold(command: RegExp): void;
  /** Whether a reply waits. */
  isHolding(): boolean;
  release(): void;
  /** The open connections become silent, as with a lost host. New ones are served. */
  swallow(): void;
  /** Resets the open connections. New ones are served. */
  reset(): void;
  /** New connections go to another server. The open ones stay. */
  moveTo(port: number): void;
  /** How many connections were made. */
  connections(): number;
}

/** Passes everything on to a Redis. */
export async function startHoldingProxy(first: number): Promise<HoldingProxy> {
  let to = first;
  let held: RegExp | undefined;
  let connections = 0;
  const pairs = new Set<{ readonly client: Socket; readonly upstream: Socket }>();
  const join = (client: Socket, upstream: Socket) => {
    connections += 1;
    const pair = { client, upstream };
    pairs.add(pair);
    client.on('close', () => pairs.delete(pair));
    client.on('data', (data) => {
      if (held?.test(data.toString('latin1'))) upstream.pause();
      upstream.write(data);
    });
    upstream.on('data', (data) => void client.write(data));
  };
  return {
    port: await proxyForTest(() => to, join),
    hold(command) {
      held = command;
    },
    isHolding: () => [...pairs].some(({ upstream }) => upstream.isPaused()),
    release() {
      held = undefined;
      for (const { upstream } of pairs) upstream.resume();
    },
    swallow() {
      for (const { client, upstream } of pairs) {
        client.pause();
        upstream.pause();
      }
    },
    reset() {
      for (const { client } of pairs) client.resetAndDestroy();
    },
    moveTo(port) {
      to = port;
    },
    connections: () => connections,
  };
}
