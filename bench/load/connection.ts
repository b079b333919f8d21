import { connect, type Socket } from 'node:net';

/** A keep-alive connection that sends one request at a time and expects 200 with Content-Length. */
export class Connection {
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
