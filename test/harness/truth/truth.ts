import { startNginx } from '../nginx.ts';
import { temporaryFolder } from '../paths.ts';
import { freePorts } from '../ports.ts';
import { askAll } from './ask.ts';
import { configOf, layTree, markOf, type PublicSite } from './sites.ts';
import { urlsFor } from './spellings.ts';

/** Directives that decide nothing about a file, and need something that is not here. */
const NEEDLESS =
  /^\s*(?:ssl_\w+|http2|access_log|error_log|resolver\w*|proxy_(?:cache\w*|redirect|set_header|method|pass_request_\w+)|(?:fastcgi|uwsgi)_(?:param|index|request_buffering|cache\w*)|limit_req|gzip_static|include) [^;]*;$/gm;

/**
 * The configuration with addresses of this machine. Applications become one that answers with the status that a header
 * of the request names; a server block that another one proxies stays. One directive a line.
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

/** Answers with the status that a request asks for, and 502 like an application that has stopped. */
const application = (port: number) => `server {
listen 127.0.0.1:${port};
access_log off;
if ($http_x_truth = 200) { return 200 "the application"; }
if ($http_x_truth = 401) { return 401; }
if ($http_x_truth = 403) { return 403; }
if ($http_x_truth = 500) { return 500; }
if ($http_x_truth = 502) { return 444; }
return 404;
}
`;

export interface Answer {
  /** The first URL that got a file of the folder, with the host if the site has several. */
  readonly leak: string | undefined;
  readonly requests: number;
}

/** Starts nginx with a site, and asks for the files of its folders. `only`: instead of all spellings. */
export async function truthOf(site: PublicSite, only?: (folder: string) => readonly string[]) {
  const top = await temporaryFolder();
  await layTree(site, top);
  const config = configOf(site, top);
  const all = (pattern: RegExp) => [
    ...new Set([...config.matchAll(pattern)].flatMap(([, words = '']) => words.split(' '))),
  ];
  const listens = all(/\blisten ([^;\s]+)/g);
  const [app = 0, ...ports] = await freePorts(listens.length + 1);
  const portOf = (listen: string) => ports[listens.indexOf(listen)] ?? app;
  const whole = adapt(config, app, portOf).replace('http {\n', (open) => open + application(app));
  const nginx = await startNginx({ config: () => whole });
  try {
    const names = all(/\bserver_name ([^;]+);/g).filter((name) => /^[a-z]/.test(name));
    const hosts = [...new Set([...names, 'other.example'])];
    const open = listens.filter((one) => !/^127\.|^localhost|^unix/.test(one));
    const places = site.app.flatMap((status) =>
      open.flatMap((listen) => hosts.map((host) => ({ status, port: portOf(listen), host }))),
    );
    const answers = new Map<string, Answer>();
    for (const folder of site.folders) {
      const files = site.files.filter((file) => file.startsWith(folder));
      const urls = only?.(folder) ?? [...urlsFor(config.replaceAll(top, ''), folder, files)];
      let requests = 0;
      let leak: string | undefined;
      for (const [at, place] of places.entries()) {
        // Other statuses and hosts show what `error_page` and `server_name` do: a part is enough.
        const isPart = only === undefined && at > 0;
        const asked = isPart ? urls.filter((_, index) => index % 7 === at % 7) : urls;
        requests += asked.length;
        const url = await firstLeak(place, asked, files);
        if (url === undefined) continue;
        leak = hosts.length > 2 ? `${url} ${place.host}` : url;
        break;
      }
      answers.set(folder, { leak, requests });
    }
    return answers;
  } finally {
    await nginx.stop();
  }
}

/** Requests over one connection. nginx closes it after 1,000. */
const BATCH = 200;

async function firstLeak(
  { port, host, status }: { port: number; host: string; status: number },
  urls: readonly string[],
  files: readonly string[],
): Promise<string | undefined> {
  const requestFor = (url: string) =>
    `GET ${url} HTTP/1.1\r\nHost: ${host}\r\nX-Truth: ${status}\r\n\r\n`;
  const has = (text: string) => files.some((file) => text.includes(markOf(file)));
  for (let at = 0; at < urls.length; at += BATCH) {
    const batch = urls.slice(at, at + BATCH);
    if (!has(await askAll(port, batch.map(requestFor)))) continue;
    for (const url of batch) if (has(await askAll(port, [requestFor(url)]))) return url;
  }
  return undefined;
}
