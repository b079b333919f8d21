import { join } from 'node:path';
import { startNginx } from '../harness/nginx.ts';
import { type Redis, startRedis } from '../harness/redis.ts';
import { type ApiReply, askApi, startReady } from '../support/ask-service.ts';
import { writeFiles } from '../support/files.ts';
import type { IssuedToken } from '../support/postern.ts';
import { gateSnippet, type SiteMode } from '../support/site.ts';

export type Kept = 'Redis' | 'memory';

export const CONTENT = 'what they race for\n';

export interface RaceSite {
  readonly port: number;
  /** One instance with its store in memory, or two on one Redis. */
  readonly instances: readonly Instance[];
  /** Undefined if the store is in memory. */
  readonly redis: Redis | undefined;
  /** Issues one token through the first instance. */
  issue(body: object): Promise<IssuedToken>;
  /** Asks the API of the last instance. With two instances, it is not the one that issued. */
  api(line: string, json?: unknown): Promise<ApiReply>;
  stop(): Promise<void>;
}

interface Instance {
  readonly gatePort: number;
  readonly apiPort: number;
}

/** nginx in front of real processes, which it asks in turn. The site has one file, `/download/a`. */
export async function startRaceSite(mode: SiteMode, kept: Kept): Promise<RaceSite> {
  const ended: Array<() => Promise<unknown>> = [];
  const stop = async () => {
    for (const end of ended.splice(0).reverse()) await end();
  };
  try {
    const redis = kept === 'Redis' ? await startRedis() : undefined;
    if (redis) ended.push(() => redis.stop());
    const begun = Array.from({ length: redis ? 2 : 1 }, () => startInstance(redis?.url));
    const instances = await Promise.all(begun);
    for (const instance of instances) ended.push(() => instance.stop());
    const nginx = await startNginx({
      config: ({ port, dir }) => `
        include postern/http.conf;
        upstream postern {
          ${instances.map(({ gatePort }) => `server 127.0.0.1:${gatePort};`).join('\n')}
          # One for each racer, so that none waits for its own to be opened.
          keepalive 1024;
        }
        ${filesServer(mode, port, dir)}`,
    });
    ended.push(() => nginx.stop());
    await writeFiles(join(nginx.dir, 'files'), { a: CONTENT });
    const [first, last] = [instances[0], instances.at(-1)] as [Instance, Instance];
    return {
      port: nginx.port,
      instances,
      redis,
      issue: async (body) => (await askApi(first, 'POST /tokens', { json: body })).body,
      api: (line, json) => askApi(last, line, { json }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The built service, with long time limits, because the races do not measure a busy machine. */
export function startInstance(redisUrl = 'memory:', more: Record<string, string> = {}) {
  const store = { POSTERN_STORE: redisUrl, POSTERN_STORE_TIMEOUT_MS: '10000' };
  return startReady({ ...store, POSTERN_LOG_LEVEL: 'silent', ...more }, { stdio: 'ignore' });
}

/** A server block with a gate, for the files below `dir`. All clients may connect at once. */
export function filesServer(mode: SiteMode, port: number, dir: string): string {
  return `
    server {
      listen 127.0.0.1:${port} backlog=4096;
      server_name files.example;
      include postern/auth-request.conf;
      location ^~ /download/ { ${gateSnippet(mode)} }
      location ^~ /protected/ {
        include postern/internal.conf; alias ${dir}/files/;
      }
    }`;
}
