import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tool } from './find-on-path.ts';
import { type Config, completeConfig, nginxArgs, nginxFolder } from './nginx-conf.ts';
import { emergency, hasReloaded, quoteLine, servingWorkers } from './nginx-log.ts';
import { freePorts, onFreePorts } from './ports.ts';
import { ExitedEarly, launch } from './process.ts';
import { type Ran, tryRun } from './run.ts';
import { findTool } from './tools.ts';
import { waitFor } from './wait.ts';

export type { Config, ConfigContext } from './nginx-conf.ts';

export interface NginxOptions {
  config: Config;
  /** How many free ports the configuration needs. Default: 1. */
  ports?: number;
  workers?: number;
  /** Another nginx than the one that is found, for example with a module. */
  tool?: Tool;
}

export interface Nginx {
  readonly port: number;
  readonly ports: number[];
  readonly dir: string;
  /** The ID of the master process. */
  readonly pid: number;
  /** `http://127.0.0.1:<port><path>`, with the path unchanged. */
  url(path: string): string;
  errorLog(): Promise<string>;
  accessLog(): Promise<string>;
  /** Resolves when only the new workers accept connections. After an error the old ones continue. */
  reload(config?: Config): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** Starts a real nginx on free ports. Rejects with the message of nginx if the configuration is invalid. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const tool = options.tool ?? (await findTool('nginx'));
  return onFreePorts(options.ports ?? 1, (ports) => start(tool, ports, options));
}

async function start(tool: Tool, ports: number[], options: NginxOptions): Promise<Nginx> {
  const { workers = 1 } = options;
  const dir = await nginxFolder();
  const port = ports[0] ?? 0;
  const errorLog = () => readFile(join(dir, 'error.log'), 'utf8');

  let text = '';
  async function write(config: Config): Promise<void> {
    text = completeConfig(config({ port, ports, dir }), dir, workers);
    await writeFile(join(dir, 'nginx.conf'), text);
  }

  await write(options.config);
  const nginx = await launch({
    name: 'nginx',
    path: tool.path,
    args: nginxArgs(dir),
    env: { ...process.env, ...tool.env },
    folder: dir,
  });
  // A worker starts after the sockets listen. An accepted connection would show less: it could come
  // from another server on the same port.
  const isServing = async () => servingWorkers(await errorLog()).length > 0;
  try {
    await nginx.ready(isServing, { what: 'nginx to start', saw: errorLog });
  } catch (error) {
    if (error instanceof ExitedEarly) error.message = quoteLine(error.message, text);
    throw error;
  }

  return {
    port,
    ports,
    dir,
    pid: nginx.pid,
    url: (path) => `http://127.0.0.1:${port}${path}`,
    errorLog,
    accessLog: () => readFile(join(dir, 'access.log'), 'utf8'),
    signal: nginx.signal,
    stop: async () => void (await nginx.stop()),
    async reload(config) {
      const since = (await errorLog()).length;
      if (config) await write(config);
      nginx.signal('SIGHUP');
      await waitFor(
        async () => {
          const log = await errorLog();
          const failure = emergency(log.slice(since));
          if (failure) throw new Error(quoteLine(failure, text));
          return hasReloaded(log, since);
        },
        { what: 'nginx to reload', saw: async () => (await errorLog()).slice(since) },
      );
    },
  };
}

/** `nginx -t`: nothing starts. Accepts what startNginx accepts, or the finished text. */
export async function testNginx(config: string | Config, count = 1): Promise<Ran> {
  const tool = await findTool('nginx');
  const dir = await nginxFolder();
  try {
    const ports = await freePorts(count);
    const [port = 0] = ports;
    const text = typeof config === 'string' ? config : config({ port, ports, dir });
    await writeFile(join(dir, 'nginx.conf'), completeConfig(text, dir));
    return await tryRun(tool.path, ['-t', ...nginxArgs(dir)], tool.env);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
