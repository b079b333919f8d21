import { existsSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { projectRoot } from './paths.ts';
import { onFreePorts } from './ports.ts';
import { type Exit, launch } from './process.ts';
import { waitFor } from './wait.ts';

export interface ServiceOptions {
  /**
   * The environment, besides PATH. The listeners have free ports by default, and `POSTERN_API_LISTEN` can
   * be `off`.
   */
  env: Record<string, string>;
  args?: string[];
  /** `pipe` keeps the output, `inherit` shows it, `ignore` drops it. */
  stdio?: 'pipe' | 'inherit' | 'ignore';
}

export interface ServiceProcess {
  readonly gatePort: number;
  /** 0 if the API is off. */
  readonly apiPort: number;
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<Exit>;
}

/** Postern as users run it: the built service in a separate process. */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  const main = join(projectRoot, 'dist', 'service', 'main.js');
  if (!existsSync(main)) throw new Error(`${main} is missing: npm run build`);
  return onFreePorts(2, (ports) => start(main, ports, options));
}

async function start(main: string, ports: number[], options: ServiceOptions) {
  const env = {
    PATH: process.env.PATH,
    POSTERN_LISTEN: `127.0.0.1:${ports[0]}`,
    POSTERN_API_LISTEN: `127.0.0.1:${ports[1]}`,
    ...options.env,
  };
  const { pid, stdout, stderr, signal, stop, ready } = await launch({
    name: 'postern',
    path: process.execPath,
    args: [main, ...(options.args ?? [])],
    env,
    cwd: projectRoot,
    stdio: options.stdio ?? 'pipe',
  });
  const { POSTERN_LISTEN: gate, POSTERN_API_LISTEN: api } = env;
  // The order matters: the listener of the metrics is the last one.
  const all = [gate, api, options.env.POSTERN_METRICS_LISTEN];
  const listeners = all.flatMap((one) => (one === undefined || one === 'off' ? [] : address(one)));
  await ready(async () => (await Promise.all(listeners.map(isLive))).every(Boolean), {
    what: 'postern to answer /livez on its listeners',
  });
  const [gatePort = 0, apiPort = 0] = [gate, api].map((one) => address(one).port || 0);
  return { gatePort, apiPort, pid, stdout, stderr, signal, stop };
}

/** Waits until the store takes a write. */
export async function storeReady({ apiPort }: Pick<ServiceProcess, 'apiPort'>): Promise<void> {
  const ready = async () => (await fetch(`http://127.0.0.1:${apiPort}/readyz`)).ok;
  await waitFor(ready, { what: 'the store to take a write' });
}

/** The forms of POSTERN_LISTEN. */
function address(listen: string): { host?: string; port?: number; socketPath?: string } {
  if (listen.startsWith('unix:')) return { socketPath: listen.slice('unix:'.length) };
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host, port: Number(listen.slice(colon + 1)) };
}

function isLive(listener: ReturnType<typeof address>): Promise<boolean> {
  return new Promise((resolve) => {
    // The request has no agent: a keep-alive connection would delay a stop.
    const request = get({ ...listener, path: '/livez', agent: false, timeout: 1_000 }, (reply) => {
      reply.resume();
      resolve(reply.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
