import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { startNginx } from '../../harness/nginx.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import { freePorts } from '../../harness/ports.ts';
import { launch } from '../../harness/process.ts';
import { findTool, type ToolName } from '../../harness/tools.ts';
import { selfSigned } from '../certificate.ts';
import { docsBlock } from '../docs/blocks.ts';
import { writeFiles } from '../files.ts';
import { sendRaw } from '../raw.ts';

// The proxies of docs/guides/behind-another-proxy.md, with the blocks of the page.

const PAGE = 'guides/behind-another-proxy.md';
export const HOST = 'files.example';

export interface Front {
  /** Plain HTTP, and HTTPS with HTTP/2. */
  readonly port: number;
  readonly tlsPort: number;
  log(): string | Promise<string>;
  stop(): Promise<unknown>;
}

/** Where a front listens, the nginx that it asks, and its certificate. */
interface Place {
  readonly backend: number;
  readonly port: number;
  readonly tlsPort: number;
  readonly folder: string;
}

interface FrontKind {
  readonly tool: ToolName;
  /** Changes of the page's nginx for this front. */
  readonly nginx?: Readonly<Record<string, string>>;
  start(place: Place): Promise<Pick<Front, 'log' | 'stop'>>;
}

/** Replaces texts. Fails if one is missing. */
function replaced(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((changed, [from, to]) => {
    expect(changed).toContain(from);
    return changed.replaceAll(from, () => to);
  }, text);
}

const HAPROXY_SERVER = 'server nginx 127.0.0.1:8080';
const BACKEND = '127.0.0.1:8080';

/** As in Debian's haproxy.cfg without `log global`, and an application. */
const HAPROXY_REST = `global
    log stdout format raw local0
defaults
    mode http
    option httplog
    timeout connect 5s
    timeout client 50s
    timeout server 50s
backend app
    http-request return status 404
`;

function startHaproxy(changes: Readonly<Record<string, string>>): FrontKind['start'] {
  return async ({ backend, port, tlsPort, folder }) => {
    const block = docsBlock(PAGE, 'frontend files');
    const tls = `127.0.0.1:${tlsPort} ssl crt ${folder}/both.pem alpn h2,http/1.1`;
    const config = replaced(replaced(block, changes), {
      ':443 ssl crt /etc/haproxy/files.pem alpn h2,http/1.1': `${tls}\n    bind 127.0.0.1:${port}`,
      [BACKEND]: `127.0.0.1:${backend}`,
    });
    await writeFile(join(folder, 'haproxy.cfg'), `${HAPROXY_REST}${config}\n`);
    return run('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], folder, port, 'stdout');
  };
}

export const FRONTS = {
  nginx: {
    tool: 'nginx',
    async start({ backend, port, tlsPort, folder }) {
      const location = replaced(docsBlock(PAGE, 'proxy_buffering off'), {
        [BACKEND]: `127.0.0.1:${backend}`,
      });
      const nginx = await startNginx({
        config: () => `server {
          listen 127.0.0.1:${port};
          listen 127.0.0.1:${tlsPort} ssl http2;
          ssl_certificate ${folder}/cert.pem;
          ssl_certificate_key ${folder}/key.pem;
          server_name ${HOST};
          ${location}
        }`,
      });
      return { log: nginx.accessLog, stop: nginx.stop };
    },
  },
  Caddy: {
    tool: 'caddy',
    async start({ backend, port, tlsPort, folder }) {
      const [global = '', own = ''] = docsBlock(PAGE, 'reverse_proxy /download/*').split('\n\n');
      const site = (address: string, more = '') =>
        replaced(own, {
          'files.example {': `${address} {\n\tbind 127.0.0.1\n${more}`,
          [BACKEND]: `127.0.0.1:${backend}`,
        });
      const tls = `\ttls ${folder}/cert.pem ${folder}/key.pem\n`;
      const config = [
        replaced(global, { '{\n\tlog': '{\n\tadmin off\n\tauto_https off\n\tlog' }),
        site(`http://${HOST}:${port}`),
        site(`https://${HOST}:${tlsPort}`, tls),
      ];
      const file = join(folder, 'Caddyfile');
      await writeFile(file, `${config.join('\n')}\n`);
      const words = ['run', '--adapter', 'caddyfile', '--config', file];
      return run('caddy', words, folder, port, 'stderr');
    },
  },
  HAProxy: { tool: 'haproxy', start: startHaproxy({}) },
  'HAProxy with the PROXY protocol': {
    tool: 'haproxy',
    nginx: {
      'listen 127.0.0.1:8080;': 'listen 127.0.0.1:8080 proxy_protocol;',
      'real_ip_header X-Forwarded-For;': 'real_ip_header proxy_protocol;',
    },
    start: startHaproxy({ [HAPROXY_SERVER]: `${HAPROXY_SERVER} send-proxy-v2` }),
  },
} as const satisfies Record<string, FrontKind>;

export type FrontName = keyof typeof FRONTS;

async function run(
  tool: ToolName,
  args: string[],
  folder: string,
  port: number,
  log: 'stdout' | 'stderr',
): Promise<Pick<Front, 'log' | 'stop'>> {
  const { path, env } = await findTool(tool);
  const running = await launch({
    name: tool,
    path,
    args,
    env: { PATH: process.env.PATH, HOME: folder, ...env },
    cwd: folder,
    folder,
  });
  const answers = () =>
    sendRaw(port, `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`).then(Boolean, () => false);
  await running.ready(answers, { what: `${tool} to answer` });
  return { log: running[log], stop: running.stop };
}

/** The nginx of the page beside Postern, and a front before it. */
export async function startFront(name: FrontName, site: { gate: number; files: string }) {
  const kind: FrontKind = FRONTS[name];
  const block = replaced(docsBlock(PAGE, 'set_real_ip_from'), kind.nginx ?? {});
  const nginx = await startNginx({
    config: ({ port, dir }) => `
      include postern/http.conf;
      upstream postern { server 127.0.0.1:${site.gate}; keepalive 256; }
      ${replaced(block, {
        [BACKEND]: `127.0.0.1:${port}`,
        '/var/log/nginx': dir,
        '/srv/files/': `${site.files}/`,
      })}`,
  });
  const folder = await temporaryFolder();
  const { certificate, key } = selfSigned(HOST);
  const both = certificate + key;
  await writeFiles(folder, { 'cert.pem': certificate, 'key.pem': key, 'both.pem': both });
  const [port = 0, tlsPort = 0] = await freePorts(2);
  const front = await kind.start({ backend: nginx.port, port, tlsPort, folder });
  return {
    nginx,
    front: { port, tlsPort, ...front } satisfies Front,
    stop: () => Promise.all([front.stop(), nginx.stop()]),
  };
}
