import { once } from 'node:events';
import { connect } from 'node:net';
import { type Redis, startRedis } from '../harness/redis.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi, startReady } from './ask-service.ts';
import type { IssuedToken } from './postern.ts';
import { type Headers, openRaw, type RawAnswer, requestBytes } from './raw.ts';
import { type SiteMode, startFront } from './site.ts';
import { tell } from './store/open-redis.ts';

const CONTENT = 'what they race for\n';

/**
 * nginx in front of one instance with its store in memory, or of two on one Redis, which it asks in turn. The site
 * has one file, `/download/a`.
 */
export async function startRaceSite(
  mode: SiteMode,
  kept: 'Redis' | 'memory',
  after: (end: () => Promise<unknown>) => void,
) {
  const redis = kept === 'Redis' ? await startRedis() : undefined;
  if (redis) after(redis.stop);
  const first = await startInstance(redis?.url);
  after(first.stop);
  const last = redis ? await startInstance(redis.url) : first;
  if (redis) after(last.stop);
  // One connection for each racer, so that none waits for its own to be opened.
  const upstream = [...new Set([first, last])].map(
    ({ gatePort }) => `server 127.0.0.1:${gatePort};`,
  );
  const servers = `${upstream.join('\n')} keepalive 1024;`;
  const front = await startFront({ mode, servers, files: { a: CONTENT } });
  const { port } = front.nginx;
  after(front.stop);
  return {
    port,
    gatePort: first.gatePort,
    redis,
    /** Issues one token through the first instance. */
    issue: async (json: object): Promise<IssuedToken> =>
      (await askApi(first, 'POST /tokens', { json })).body,
    /** Asks the API of the last instance. With two instances, it is not the one that issued. */
    api: (line: string, json?: unknown) => askApi(last, line, { json }),
  };
}

/** The built service, with long time limits, because the races do not measure a busy machine. */
export function startInstance(redisUrl = 'memory:', more: Record<string, string> = {}) {
  const store = { POSTERN_STORE: redisUrl, POSTERN_STORE_TIMEOUT_MS: '10000' };
  // It writes only why it could not start: the ports may be taken.
  return startReady({ ...store, POSTERN_LOG_LEVEL: 'silent', ...more });
}

/** How many race: as many as `max_uses` may be. */
export const RACERS = 1000;

export type Racer = Awaited<ReturnType<typeof enter>>;

/** Clients that are connected to a port, and have not sent a request. */
export function lineUp(port: number, count = RACERS): Promise<Racer[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => enter(port, addressOf(i))));
}

/** The address of a racer by its number. From RACERS on, no racer has it. */
export function addressOf(i: number): string {
  return `127.10.${i >> 8}.${i & 255}`;
}

/** A client with its own address, and one connection that stays open. */
export async function enter(port: number, address: string) {
  const { send, close } = await openRaw(port, address);
  const ask = (method: 'GET' | 'HEAD', url: string, headers?: Headers) =>
    send(requestBytes(method, url, headers), method);
  return { address, ask, close };
}

/** All write their requests before the first answer is read. */
export function askAtOnce(
  racers: readonly Racer[],
  method: 'GET' | 'HEAD',
  url: string,
): Promise<RawAnswer[]> {
  return Promise.all(racers.map((racer) => racer.ask(method, url)));
}

/** A few at a time, so that the test can act between them. */
const WIDTH = 300;

/** Each asks once, as soon as one before it has its answer. The answers are in the racers' order. */
export async function askInTurn<T>(
  racers: readonly Racer[],
  ask: (racer: Racer, turn: number) => Promise<T>,
): Promise<T[]> {
  const answers: T[] = [];
  const turns = racers.entries();
  async function lane(): Promise<void> {
    for (const [i, racer] of turns) answers[i] = await ask(racer, i);
  }
  await Promise.all(Array.from({ length: WIDTH }, lane));
  return answers;
}

/** Clients that ask for a URL, each on its connection, until `stop`, which counts the answers by status. */
export async function startClients(port: number, url: string, count: number) {
  let stopped = false;
  const statuses: Record<number, number> = {};
  const turns = Array.from({ length: count }, () => 0);
  const request = requestBytes('GET', url);
  const all = turns.map(async (_, client) => {
    let connection = await openRaw(port);
    for (; !stopped; turns[client] = (turns[client] ?? 0) + 1) {
      const { status } = await connection.send(request);
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status < 500) continue;
      // nginx closes the connection.
      connection.close();
      connection = await openRaw(port);
    }
    connection.close();
  });
  return {
    /** Each client has so many answers more. */
    async progress(more: number) {
      const before = [...turns];
      const has = () => turns.every((turn, client) => turn >= (before[client] ?? 0) + more);
      await waitFor(has, { what: 'the clients to get answers' });
    },
    async stop() {
      stopped = true;
      await Promise.all(all);
      return statuses;
    },
  };
}

/** How many got the file, whole, and how many another answer, by its status. */
export function tally(answers: readonly RawAnswer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, text } of answers) {
    const kind = status === 200 && text === CONTENT ? 'delivered' : String(status);
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

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
