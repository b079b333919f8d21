import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { configOf, layTree, markOf, type PublicSite } from '../../support/doctor/public-sites.ts';
import { startNginx } from '../nginx.ts';
import { temporaryFolder } from '../paths.ts';
import { freePorts } from '../ports.ts';
import { createAsker } from './ask.ts';
import { urlsFor } from './spellings.ts';

/** Directives that decide nothing about a file, and need something that is not here. */
const NEEDLESS =
  /^\s*(?:ssl_\w+|http2|access_log|error_log|resolver\w*|proxy_(?:cache\w*|redirect|set_header|method|pass_request_\w+)|(?:fastcgi|uwsgi)_(?:param|index|request_buffering|cache\w*)|limit_req|gzip_static|include) [^;]*;$/gm;

/**
 * The configuration with addresses of this machine. Applications become one that answers with a status; a server
 * block that another one proxies stays. One directive a line.
 */
function adapt(config: string, app: number, portOf: (listen: string) => number): string {
  const target = (host: string) =>
    portOf.length > 0 && isListened(config, host) ? portOf(host) : app;
  return config
    .replace(NEEDLESS, '')
    .replace(/\bserver \{/g, 'server { access_log off; log_not_found off;')
    .replace(/\blisten ([^;]+);/g, (_, words: string) => {
      const [address = '', ...options] = words.split(' ');
      if (address.startsWith('[')) return '';
      const isDefault = options.some((one) => /^default/.test(one));
      return `listen 127.0.0.1:${portOf(address)}${isDefault ? ' default_server' : ''};`;
    })
    .replace(/\bserver ([^;{}]+);/g, (_, words: string) => `server 127.0.0.1:${target(words)};`)
    .replace(/\b(?:fastcgi|uwsgi|scgi)_pass [^;]+;/g, `proxy_pass http://127.0.0.1:${app};`)
    .replace(/\bfastcgi_intercept_errors/g, 'proxy_intercept_errors')
    .replace(/\bauth_basic_user_file [^;]+;/g, 'auth_basic_user_file /dev/null;')
    .replace(/\bproxy_pass https?:\/\/([^/;?]+)([^;]*);/g, (_, host: string, path: string) => {
      if (new RegExp(`upstream ${host} `).test(config)) return `proxy_pass http://${host}${path};`;
      return `proxy_pass http://127.0.0.1:${target(host)}${path.includes('$suffix') ? '' : path};`;
    });
}

const isListened = (config: string, host: string) =>
  new RegExp(`listen ${host.replace(/\W/g, '\\$&')}[; ]`).test(config);

export interface Answer {
  /** The first URL that got a file of the folder, with the host if the site has several. */
  readonly leak: string | undefined;
  readonly requests: number;
}

/** Starts nginx with a site, and asks for the files of its folders. `only`: instead of all spellings. */
export async function truthOf(site: PublicSite, only?: (folder: string) => readonly string[]) {
  const top = await temporaryFolder();
  await layTree(site, top);
  let status = 404;
  const application = createServer((request, response) => {
    if (status === 502) return request.socket.destroy();
    response.writeHead(status, { Location: '/login' }).end('the application');
  });
  await once(application.listen(0, '127.0.0.1'), 'listening');
  const { port: app } = application.address() as AddressInfo;
  const config = configOf(site, top);
  const listens = [
    ...new Set([...config.matchAll(/\blisten ([^;\s]+)/g)].map(([, one]) => one ?? '')),
  ];
  const ports = await freePorts(listens.length);
  const portOf = (listen: string) => ports[listens.indexOf(listen)] ?? app;
  const nginx = await startNginx({ config: () => `${adapt(config, app, portOf)}` });
  try {
    const names = [...config.matchAll(/\bserver_name ([^;]+);/g)].flatMap(([, all = '']) =>
      all.split(' '),
    );
    const hosts = [...new Set([...names.filter((one) => /^[a-z]/.test(one)), 'other.example'])];
    const open = listens.filter((one) => !/^127\.|^localhost|^unix/.test(one));
    const answers = new Map<string, Answer>();
    for (const folder of site.folders) {
      const files = site.files.filter((file) => file.startsWith(folder));
      const urls = only?.(folder) ?? [...urlsFor(config.replaceAll(top, ''), folder, files)];
      let requests = 0;
      let leak: string | undefined;
      for (const [at, code] of site.app.entries()) {
        status = code;
        // Further statuses show what `error_page` does: a part of the spellings is enough.
        for (const listen of open) {
          for (const [index, host] of hosts.entries()) {
            const whole = only !== undefined || at + index === 0;
            const some = whole ? urls : urls.filter((_, one) => one % 7 === (at + index) % 7);
            const found = await firstLeak(portOf(listen), host, some, files);
            requests += found.requests;
            if (found.url !== undefined)
              leak ??= hosts.length > 2 ? `${found.url} ${host}` : found.url;
            if (leak !== undefined) break;
          }
        }
        if (leak !== undefined) break;
      }
      answers.set(folder, { leak, requests });
    }
    return answers;
  } finally {
    await nginx.stop();
    application.close();
    application.closeAllConnections();
  }
}

const CONNECTIONS = 8;

async function firstLeak(
  port: number,
  host: string,
  urls: readonly string[],
  files: readonly string[],
) {
  const marks = files.map((file) => markOf(file));
  const left = urls.values();
  let requests = 0;
  let url: string | undefined;
  const worker = async () => {
    const asker = await createAsker(port);
    for (const one of left) {
      if (url !== undefined) break;
      requests += 1;
      const text = await asker.ask({ port, host, url: one });
      if (marks.some((mark) => text.includes(mark))) url ??= one;
    }
    asker.close();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  return { url, requests };
}
