import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import type { Tool } from './find-on-path.ts';
import { temporaryFolder } from './paths.ts';
import { onFreePorts } from './ports.ts';
import { launch, type Running } from './process.ts';
import { findTool } from './tools.ts';

/** The servers that Postern supports. */
export type Engine = 'redis' | 'valkey';

export interface RedisOptions {
  engine?: Engine;
  /** Further arguments of redis-server. They override the default ones. */
  args?: string[];
  /** A given port instead of a free one. */
  port?: number;
  /**
   * Exists, and stays after stop(). It holds redis.conf, which Redis rewrites when its role changes, and
   * what else Redis writes.
   */
  folder?: string;
}

export interface Redis {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** Connections stay open without an answer, like a host that hangs. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** On the same port, also after stop(). Empty, unless it has a folder. */
  restart(): Promise<void>;
}

/** Starts a real Redis that writes nothing to disk. */
export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  const { engine = 'redis', args = [], port: wanted, folder } = options;
  const tool = await findTool(`${engine}-server`);
  const begin = async ([port = 0]: number[]) => {
    return { port, running: await start(tool, port, args, folder) };
  };
  const { port, ...state } = wanted ? await begin([wanted]) : await onFreePorts(1, begin);
  return {
    port,
    url: `redis://127.0.0.1:${port}/0`,
    get pid() {
      return state.running.pid;
    },
    pause: () => state.running.signal('SIGSTOP'),
    resume: () => state.running.signal('SIGCONT'),
    stop: async () => void (await state.running.stop()),
    async kill() {
      state.running.signal('SIGKILL');
      await state.running.exited;
    },
    async restart() {
      await state.running.stop();
      state.running = await start(tool, port, args, folder);
    },
  };
}

async function start(tool: Tool, port: number, args: string[], kept?: string): Promise<Running> {
  const folder = kept ?? (await temporaryFolder());
  const settings = { port: String(port), bind: '127.0.0.1', dir: folder, save: '' };
  const quiet = { appendonly: 'no', 'maxmemory-policy': 'noeviction', daemonize: 'no' };
  const all = [
    ...Object.entries({ ...settings, ...quiet }).flatMap(([key, value]) => [`--${key}`, value]),
    ...args,
  ];
  const redis = await launch({
    name: basename(tool.path),
    path: tool.path,
    args: kept === undefined ? all : [await configuration(kept, all)],
    env: { ...process.env, ...tool.env },
    ...(kept === undefined && { folder }),
  });
  await redis.ready(() => isOurs(port, redis.pid), { what: 'Redis to answer' });
  return redis;
}

/** Writes arguments, each with one value, to a file unless it exists. */
async function configuration(folder: string, args: readonly string[]): Promise<string> {
  const file = join(folder, 'redis.conf');
  const lines = args.flatMap((name, i) => {
    return i % 2 === 0 ? [`${name.slice('--'.length)} ${args[i + 1] || '""'}\n`] : [];
  });
  if (!existsSync(file)) await writeFile(file, lines.join(''));
  return file;
}

// Compares the process ID, because another Redis may have the port. A Redis with a password is
// recognized only by its error.
export async function isOurs(port: number, pid: number): Promise<boolean> {
  const reply = (await ask(port, 'INFO server')) ?? '';
  return reply.includes(`process_id:${pid}\r\n`) || reply.startsWith('-NOAUTH');
}

/** Sends one command and returns the raw reply, or undefined after `patience` milliseconds. */
export function ask(port: number, command: string, patience = 250): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`));
    const end = (reply?: string) => {
      socket.destroy();
      resolve(reply);
    };
    socket.setTimeout(patience, end);
    socket.on('error', () => end());
    socket.on('close', () => end());
    socket.on('data', (data) => end(data.toString()));
  });
}
