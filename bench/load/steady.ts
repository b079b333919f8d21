import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';

/** Seconds that are not measured: connections open, and this code is compiled. */
const WARM_UP = 0.5;

/** The maximum of the other loads. If all are busy, a request waits. */
const CONNECTIONS = 256;

/**
 * Sends requests at a fixed mean rate, without waiting for responses. Latency counts from the time when
 * a request was due. wrk sends the next request only after a response, so it does not see the queue
 * behind a slow response. Requests are due at random times (a Poisson process), as with many users.
 */
export async function steady(port: number, path: string, rate: number, seconds: number) {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  const all = Array.from({ length: CONNECTIONS }, () => new Connection(port));
  const idle = [...all];
  const latencies: number[] = [];
  const counts = performance.now() + WARM_UP * 1000;
  const end = counts + seconds * 1000;
  let due = performance.now();

  /** Sends the requests that are due, if connections are free. */
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
      if (performance.now() > end + PATIENCE_MS)
        throw new Error(`${rate} requests per second are too many`);
      const failure = all.find(({ failed }) => failed !== undefined)?.failed;
      if (failure) throw failure;
      nap();
      await turn();
    }
  } finally {
    for (const connection of all) connection.close();
  }
  latencies.sort((a, b) => a - b);
  return { rate, requests: latencies.length, p50: at(latencies, 0.5), p99: at(latencies, 0.99) };
}

/** Time for the queue to clear at the end. */
const PATIENCE_MS = 10_000;

/** Milliseconds until the next request. Timers of Node.js have a resolution of 1 ms. */
const next = (rate: number) => (-Math.log(1 - Math.random()) / rate) * 1000;

const nothing = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps for 0.05 ms, so that other processes can use the core. */
const nap = () => void Atomics.wait(nothing, 0, 0, 0.05);

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

/** A keep-alive connection that sends one request at a time and expects 200 with Content-Length. */
class Connection {
  failed: Error | undefined;
  readonly #socket: Socket;
  #answered: (() => void) | undefined;
  #head = '';
  /** Bytes of the body that have not arrived. Undefined while the head is read. */
  #left: number | undefined;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#socket.on('end', () => this.#fail('closed'));
  }

  ask(request: Buffer, answered: () => void): void {
    this.#answered = answered;
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    let body = chunk.length;
    if (this.#left === undefined) {
      const before = this.#head.length;
      this.#head += chunk.toString('latin1');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = /\r\ncontent-length: (\d+)/i.exec(this.#head)?.[1];
      const good = this.#head.startsWith('HTTP/1.1 200 ');
      if (!good || length === undefined) this.#fail(`the response was ${this.#head.slice(0, end)}`);
      this.#left = Number(length);
      body -= end + 4 - before;
    }
    this.#left -= body;
    if (this.#left > 0) return;
    this.#left = undefined;
    this.#head = '';
    this.#answered?.();
  }

  #fail(why: string): void {
    this.failed ??= new Error(`the load test failed: ${why}`);
  }
}
