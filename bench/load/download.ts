import { connect } from 'node:net';

/** One buffer for all connections: bytes are counted and then overwritten. */
const buffer = Buffer.alloc(1024 * 1024);

/** Downloads all paths at once and counts the bytes of their bodies. Resolves with the seconds. */
export async function downloadAll(port: number, paths: readonly string[], bytes: number) {
  const began = performance.now();
  await Promise.all(paths.map((path) => download(port, path, bytes)));
  return (performance.now() - began) / 1000;
}

function download(port: number, path: string, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = 0;
    let head = '';
    let inHead = true;
    const onread = {
      buffer,
      callback(read: number) {
        got += read;
        if (inHead) {
          head += buffer.toString('latin1', 0, read);
          const end = head.indexOf('\r\n\r\n');
          inHead = end < 0;
          if (!inHead) got -= end + 4;
        }
        return true;
      },
    };
    const socket = connect({ port, host: '127.0.0.1', onread });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
    socket.on('error', reject);
    socket.on('close', () => {
      if (head.startsWith('HTTP/1.1 200 ') && got === bytes) resolve();
      else reject(new Error(`${path}: ${got} of ${bytes} bytes, ${head.split('\r\n')[0]}`));
    });
  });
}
