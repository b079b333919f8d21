import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One request of the truth: a URL, sent as it is. */
export interface Asked {
  readonly port: number;
  readonly host: string;
  readonly url: string;
}

/** An address that no `allow` of a published configuration names. */
const FROM = '127.77.0.9';

/** Asks with HTTP/1.0 and keep-alive, so that nginx sends no chunks. Returns the whole response. */
export async function createAsker(port: number) {
  let socket: Socket | undefined;
  return {
    async ask({ host, url }: Asked): Promise<string> {
      for (let attempt = 0; ; attempt += 1) {
        const kept = socket !== undefined;
        socket ??= await open(port);
        const text = await exchange(
          socket,
          `GET ${url} HTTP/1.0\r\nHost: ${host}\r\nConnection: keep-alive\r\n\r\n`,
        );
        const closed = socket.destroyed || socket.readableEnded;
        if (closed) socket = undefined;
        // A kept connection may have ended before the request. A closed fresh one is an answer: `return 444`.
        if (text !== '' || !kept || attempt > 1) return text;
      }
    },
    close: () => socket?.destroy(),
  };
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: FROM });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

function exchange(socket: Socket, request: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const done = () => {
      socket.removeAllListeners('data');
      socket.removeAllListeners('close');
      resolve(text);
    };
    socket.on('close', done);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const head = text.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = /\r\nContent-Length: (\d+)/i.exec(text.slice(0, head))?.[1];
      const empty = /^HTTP\/1\.\d (204|304)/.test(text);
      const kept = /\r\nConnection: keep-alive/i.test(text.slice(0, head));
      const isWhole = empty || (length !== undefined && text.length >= head + 4 + Number(length));
      if (isWhole && kept) done();
    });
    socket.write(request, 'latin1');
  });
}
