import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { endTogether } from './end-together.ts';

/** Which connection: the one that is told of changes, or the one for all else. */
type Which = 'told' | 'asking';

export interface HoldingProxy {
  readonly port: number;
  /** From now on what comes from the server waits, as in a network that swallows. */
  hold(which: Which): void;
  release(which: Which): void;
  /** Lets through what has come of a held one, and resolves then; what comes after it waits. */
  pass(which: Which): Promise<void>;
  /** From now on connections go to another server; those that are there stay. */
  moveTo(port: number): void;
  /** Ends those that there are. */
  drop(which: Which): void;
}

/** Passes everything on to a Redis, and can hold back what it says. */
export async function startHoldingProxy(first: number): Promise<HoldingProxy> {
  let to = first;
  const listeners = new Set<Socket>();
  const all = new Set<Socket>();
  const held = new Set<Which>();
  const kindOf = (from: Socket): Which => (listeners.has(from) ? 'told' : 'asking');
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    all.add(upstream);
    client.on('data', (data) => {
      if (/subscribe/i.test(data.toString('latin1'))) {
        listeners.add(upstream);
        apply();
      }
      upstream.write(data);
    });
    upstream.on('data', (data) => void client.write(data));
    endTogether(client, upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());

  function apply(): void {
    for (const socket of all) {
      if (held.has(kindOf(socket))) socket.pause();
      else socket.resume();
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    hold(which) {
      held.add(which);
      apply();
    },
    release(which) {
      held.delete(which);
      apply();
    },
    async pass(which) {
      const some = [...all].filter((socket) => kindOf(socket) === which);
      const passed = some.map((socket) => once(socket, 'data').then(() => socket.pause()));
      for (const socket of some) socket.resume();
      await Promise.all(passed);
    },
    moveTo(port) {
      to = port;
    },
    drop(which) {
      for (const socket of all) if (kindOf(socket) === which) socket.destroy();
    },
  };
}
