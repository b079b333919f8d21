import { once } from 'node:events';
import { connect } from 'node:net';
import type { Redis } from '../harness/redis.ts';
import { waitFor } from '../harness/wait.ts';
import { tell } from '../store/open-redis.ts';

/** A command that Redis ran, one of a script's as well: its name in lower case, and its arguments. */
export type Command = readonly [name: string, ...args: string[]];

/** The commands that Redis runs until `stop`, from MONITOR. `stop` resolves when the list is complete. */
export async function startMonitor(redis: Redis): Promise<{ stop(): Promise<Command[]> }> {
  const socket = connect(redis.port, '127.0.0.1');
  await once(socket, 'connect');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write('MONITOR\r\n');
  const text = () => Buffer.concat(chunks).toString('latin1');
  await waitFor(() => text().startsWith('+OK'), { what: 'the monitor' });
  return {
    async stop() {
      await tell(redis, 'ECHO the-last-one');
      const ended = () => chunks.at(-1)?.includes('the-last-one') && text().endsWith('"\r\n');
      await waitFor(ended, { what: 'the last command' });
      socket.destroy();
      // A line for each command: the time, the client, and each part in quotes, escaped.
      return text()
        .split('\r\n')
        .map((line) => [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part = '']) => part))
        .flatMap(([name, ...args]): Command[] => (name ? [[name.toLowerCase(), ...args]] : []));
    },
  };
}
