import { once } from 'node:events';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';

/** How many workers Vitest has. Most of the time, a test waits for a server. With more, each would have too few ports. */
export const WORKERS = Math.min(24, Math.ceil(availableParallelism() * 1.5));

// Below the ports that the kernel uses for outgoing connections (from 32768 on Linux, 49152
// elsewhere). Any client could take such a port while its server restarts, even the client that
// retries to connect: TCP lets a socket connect to itself.
// Each worker has other ports, so that no other test can take the port of a server that has stopped.
const COUNT = Math.floor(22_000 / WORKERS);
const FIRST = 10_000 + COUNT * (Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS);

const given = new Set<number>();

/** Free ports of 127.0.0.1; never the same twice in one process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** Starts again on other ports if another process took a port in the meantime. */
export async function onFreePorts<T>(
  count: number,
  start: (ports: number[]) => Promise<T>,
  attempts = 3,
): Promise<T> {
  try {
    return await start(await freePorts(count));
  } catch (error) {
    const taken = /EADDRINUSE|address already in use/i.test(String(error));
    if (!taken || attempts <= 1) throw error;
    return onFreePorts(count, start, attempts - 1);
  }
}
