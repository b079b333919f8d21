import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../../test/harness/paths.ts';
import { residentBytes } from '../../test/harness/usage.ts';
import { startReady } from '../../test/support/ask-service.ts';
import { KEY } from '../../test/support/postern.ts';
import { startFront } from '../../test/support/site.ts';

/** The files `/download/0`, `/download/1` …. Each contains its name. */
export const FILES = Array.from({ length: 8 }, (_, i) => String(i));

/** Clients whose tokens are revoked together, one after the other. */
export const CLIENTS = Array.from({ length: 30 }, (_, i) => `client-${i}`);
export const keyOf = (client: string) => `the-api-key-of-${client}`;

export type Site = Awaited<ReturnType<typeof startSite>>;

/** nginx with the server lines of nginx/nginx.conf, and two instances of Postern. */
export async function startSite(env: Record<string, string>) {
  const keys = [`web:${KEY}`, ...CLIENTS.map((client) => `${client}:${keyOf(client)}`)].join();
  const start = () => startReady({ POSTERN_LOG_LEVEL: 'error', POSTERN_API_KEYS: keys, ...env });
  const services = await Promise.all([start(), start()]);
  const conf = await readFile(join(projectRoot, 'nginx', 'nginx.conf'), 'utf8');
  const more = /server unix:\S+(.*);/.exec(conf)?.[1];
  const servers = services.map(({ gatePort }) => `server 127.0.0.1:${gatePort}${more};`);
  const { nginx, stop } = await startFront({
    mode: 'auth_request',
    servers: `${servers.join('\n')} keepalive 256;`,
    // A requester is an address, and there are thousands of them.
    http: 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;',
    files: Object.fromEntries(FILES.map((name) => [name, name])),
  });
  const pids = services.map(({ pid }) => pid);
  return {
    port: nginx.port,
    /** The ports of the APIs of the instances. */
    apiPorts: services.map(({ apiPort }) => apiPort),
    log: () => services.map(({ stdout, stderr }) => stdout() + stderr()).join('\n'),
    /** The resident memory of each instance. Throws if one has ended. */
    memory: () =>
      pids.map((pid) => {
        process.kill(pid, 0);
        return residentBytes(pid);
      }),
    async stop() {
      await stop();
      await Promise.all(services.map((service) => service.stop()));
    },
  };
}
