import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** The raw reply to a command; undefined: none. */
export type Answer = (command: readonly string[]) => string | undefined;

export type FakeRedis = Awaited<ReturnType<typeof startFakeRedis>>;

export const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
export const list = (...items: string[]) => `*${items.length}\r\n${items.join('')}`;

/** Answers as a Redis that has one record for each grant. */
export const answerAs =
  (record: string | null): Answer =>
  ([name = '', ...args]) => {
    const value = record === null ? '$-1\r\n' : bulk(record);
    switch (name.toLowerCase()) {
      case 'info':
        return bulk('redis_version:7.2.0\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n');
      case 'mget':
        return list(...args.map(() => value));
      case 'get':
        return value;
      case 'eval':
        return '*0\r\n';
      case 'pttl':
        return ':1000\r\n';
      default:
        return '+OK\r\n';
    }
  };

/**
 * A server that can reply to each command as no Redis does, until the test stops it. It sends the greeting
 * on each new connection.
 */
export async function startFakeRedis(answer: Answer = answerAs(null), greeting = '') {
  const state = { answer, connections: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    state.connections += 1;
    sockets.add(socket);
    if (greeting !== '') socket.write(greeting);
    let rest = '';
    socket.on('data', (data) => {
      const { commands, left } = commandsOf(rest + data.toString('latin1'));
      rest = left;
      for (const command of commands) {
        const reply = state.answer(command);
        if (reply !== undefined && socket.writable) socket.write(reply, 'latin1');
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    port: (server.address() as AddressInfo).port,
    state,
    /** Sends bytes that no command asked for to each open connection. */
    push(raw: string) {
      for (const socket of sockets) socket.write(raw, 'latin1');
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Collects what would end the process. */
export function caught(): unknown[] {
  const errors: unknown[] = [];
  const note = (error: unknown) => void errors.push(error);
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, note);
    onTestFinished(() => void process.off(event, note));
  }
  return errors;
}

export async function startFakeServer(record: string | null = null) {
  const server = await startFakeRedis(answerAs(record));
  return { url: `redis://127.0.0.1:${server.port}`, servers: [server] };
}

/** A master that Sentinel names, and its only sentinel. */
export async function startFakeSentinel(record: string | null = null) {
  const master = await startFakeRedis(answerAs(record));
  const sentinel = await startFakeRedis((command) => {
    const [name, question] = command.map((word) => word.toLowerCase());
    if (name === 'subscribe') return `>3\r\n${bulk('subscribe')}${bulk('+switch-master')}:1\r\n`;
    if (question === 'sentinels') return list();
    if (question !== 'get-master-addr-by-name') return '+OK\r\n';
    return list(bulk('127.0.0.1'), bulk(String(master.port)));
  });
  return {
    url: `redis+sentinel://127.0.0.1:${sentinel.port}/main`,
    sentinel,
    servers: [sentinel, master],
  };
}

/** A cluster of one node. */
export async function startFakeCluster(record: string | null = null) {
  const node = await startFakeRedis();
  const slots = list(list(':0\r\n', ':16383\r\n', list(bulk('127.0.0.1'), `:${node.port}\r\n`)));
  node.state.answer = (command) =>
    command[0]?.toLowerCase() === 'cluster' ? slots : answerAs(record)(command);
  return { url: `redis+cluster://127.0.0.1:${node.port}`, node, servers: [node] };
}

/** Splits a text into whole commands, each an array of bulk strings, and the rest. */
function commandsOf(text: string): { commands: string[][]; left: string } {
  const commands: string[][] = [];
  for (let at = 0; ; ) {
    const count = /^\*(\d+)\r\n/.exec(text.slice(at));
    if (count === null) return { commands, left: text.slice(at) };
    let next = at + count[0].length;
    const command: string[] = [];
    for (let i = 0; i < Number(count[1]); i += 1) {
      const [head = '', length = ''] = /^\$(\d+)\r\n/.exec(text.slice(next)) ?? [];
      const end = next + head.length + Number(length) + 2;
      if (head === '' || end > text.length) return { commands, left: text.slice(at) };
      command.push(text.slice(next + head.length, end - 2));
      next = end;
    }
    commands.push(command);
    at = next;
  }
}
