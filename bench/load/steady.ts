import { setImmediate as turn } from 'node:timers/promises';
import { Connection } from './connection.ts';

export interface Steady {
  readonly port: number;
  readonly path: string;
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
}

export interface Latency {
  /** Requests a second, as wanted. */
  readonly rate: number;
  /** How many were measured. */
  readonly requests: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Seconds that do not count: connections are opened, and our own code is compiled. */
const WARM_UP = 0.5;

/** As many as the other load has at most: a request that finds all of them busy waits. */
const CONNECTIONS = 256;

/**
 * Asks at a rate, whether or not it is answered: a request that had to wait for its turn has waited
 * from the time when it was due. wrk asks again only when it has been answered, so it would not see
 * the queue behind a slow answer. Requests are due at times of chance (a Poisson process), as those of
 * many users are.
 */
export async function steady({ port, path, rate, seconds }: Steady): Promise<Latency> {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  const all = Array.from({ length: CONNECTIONS }, () => new Connection(port));
  const idle = [...all];
  const latencies: number[] = [];
  const counts = performance.now() + WARM_UP * 1000;
  const end = counts + seconds * 1000;
  let due = performance.now();

  /** Sends what is due, as far as there are connections for it. */
  function send(): void {
    for (const now = performance.now(); due <= Math.min(now, end); due += next(rate)) {
      const connection = idle.pop();
      if (connection === undefined) return;
      const since = due;
      connection.ask(request, () => {
        if (since >= counts) latencies.push(performance.now() - since);
        idle.push(connection);
      });
    }
  }

  try {
    while (due <= end || idle.length < CONNECTIONS) {
      send();
      if (performance.now() > end + PATIENCE_MS) throw new Error(`${rate} a second is too much`);
      const fault = all.find(({ failed }) => failed !== undefined)?.failed;
      if (fault) throw fault;
      nap();
      await turn();
    }
  } finally {
    for (const connection of all) connection.close();
  }
  latencies.sort((a, b) => a - b);
  return { rate, requests: latencies.length, p50: at(latencies, 0.5), p99: at(latencies, 0.99) };
}

/** For the queue to clear, at the end. */
const PATIENCE_MS = 10_000;

/** Milliseconds until the next one: a timer of Node's could only wait for a whole one. */
const next = (rate: number) => (-Math.log(1 - Math.random()) / rate) * 1000;

const nothing = new Int32Array(new SharedArrayBuffer(4));

/** Leaves the core to others for a twentieth of a millisecond. */
const nap = () => void Atomics.wait(nothing, 0, 0, 0.05);

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}
