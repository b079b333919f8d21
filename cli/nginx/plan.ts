import type { Config } from '../../service/config/config.ts';
import type { ConfigErrors } from '../../service/config/errors.ts';
import type { SourcedValue } from '../../service/config/source.ts';
import { given } from '../config.ts';
import type { Existing } from './existing.ts';
import { type Pages, readPages } from './pages.ts';
import { type FileSources, planSites, readFileSources, type ServerPlan } from './sites.ts';
import { type StorageSource, storagesOf } from './storage.ts';
import {
  plainListen,
  readCount,
  readListenAddress,
  readLogin,
  readOrigin,
  readPath,
  readResolver,
  readUpstream,
  sameListen,
} from './values.ts';

/** The options of `postern nginx`. */
export interface NginxOptions {
  readonly files: readonly string[];
  readonly proxyTarget: readonly string[];
  readonly resolver: readonly string[];
  readonly server?: true;
  readonly listen: readonly string[];
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly redirect?: false;
  readonly serverName: readonly string[];
  readonly upstream: readonly string[];
  readonly instances?: string;
  readonly cors: readonly string[];
  readonly login?: string;
  readonly limitConn?: string;
  readonly listing?: true;
  readonly pages?: string;
  readonly cache?: true | string;
  readonly disableSymlinks?: true;
  readonly xAccel?: true;
  readonly log?: string;
}

export const DEFAULTS: NginxOptions = {
  files: [],
  proxyTarget: [],
  resolver: [],
  listen: [],
  serverName: [],
  upstream: [],
  cors: [],
};

/** In memory, because the files contain tokens. */
const CACHE_FOLDER = '/run/postern-decisions';

/** First in its folder: a log format must be defined before the access_log lines that use it. */
export const HTTP_FILE = 'conf.d/00-postern.conf';

/** nginx stores the number of --limit-conn in 16 bits. */
const MAX_LIMIT_CONN = 65_535;

/** One for each core, even on a large machine. */
const MAX_INSTANCES = 64;

type Read<T> = (value: SourcedValue, errors: ConfigErrors) => T | undefined;

/** Everything that the configuration contains. All values are checked, and safe to write. */
export interface Plan {
  readonly upstreams: readonly string[];
  /** Whether to write whole server blocks. */
  readonly server: boolean;
  readonly listens: readonly string[];
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** The addresses of the redirect to HTTPS. */
  readonly redirects: readonly string[];
  readonly sites: readonly ServerPlan[];
  readonly sources: FileSources;
  readonly storages: readonly StorageSource[];
  /** DNS servers for the hosts of the storages; none: nginx looks them up when it starts. */
  readonly resolvers: readonly string[];
  /** The access log, or `off`. Absent: the usual one, unless the operator's server block has one. */
  readonly log?: string;
  readonly origins: readonly string[];
  readonly login?: string;
  readonly limitConn?: number;
  readonly pages: Pages;
  /** nginx's own folder, in which postern/ is. */
  readonly folder: string;
  readonly listing: boolean;
  readonly disableSymlinks: boolean;
  /** The folder of the decision cache. */
  readonly cache?: string;
  readonly xAccel: boolean;
  /** The version of nginx. Absent: unknown. */
  readonly version?: readonly number[] | undefined;
  /** The configuration that the files are added to. Absent: unknown. */
  readonly existing?: Existing | undefined;
}

export function planOf(
  options: NginxOptions,
  { mounts, listen, publicUrl }: Pick<Config, 'mounts' | 'listen' | 'publicUrl'>,
  errors: ConfigErrors,
): Plan {
  const one = <T>(name: string, text: string | undefined, read: Read<T>) =>
    text === undefined ? undefined : read(given(name, text), errors);
  const each = <T>(name: string, texts: readonly string[], read: Read<T>) =>
    texts.flatMap((text) => one(name, text, read) ?? []);

  const instances = one('--instances', options.instances, readCount(MAX_INSTANCES, 2));
  const upstreams = [
    ...Array.from({ length: instances ?? 0 }, (_, i) => `unix:/run/postern-${i + 1}/gate.sock`),
    ...each('--upstream', options.upstream, readUpstream),
  ];
  if (options.instances === undefined && options.upstream.length === 0) {
    upstreams.push(readUpstream(ownGate(listen), errors) ?? '');
  }
  const readPem = readPath('a file in PEM, such as /etc/ssl/files.example.pem');
  const { tlsCertificate, tlsKey } = options;
  const isTls = tlsCertificate !== undefined || tlsKey !== undefined;
  const certificate = one('--tls-certificate', isTls ? (tlsCertificate ?? '') : undefined, readPem);
  const key = one('--tls-key', isTls ? (tlsKey ?? '') : undefined, readPem);
  const listens = each('--listen', options.listen, readListenAddress);
  if (listens.length === 0) listens.push(isTls ? '443' : '80');
  if (new Set(listens.map(sameListen)).size < listens.length) {
    errors.add(given('--listen', listens.join(' ')), 'each address once');
  }
  const plain = listens.find((listen) => isTls && /(^|:)80$/.test(listen));
  if (plain !== undefined) errors.add(given('--listen', plain), 'with TLS, another port than 80');
  const isRedirected = isTls && options.redirect !== false;
  const sites = planSites(mounts, options.serverName, errors);
  const storages = storagesOf(mounts);
  const resolvers = each('--resolver', options.resolver, readResolver);
  const readLog = readPath('a log, such as /var/log/nginx/access.log, or off');
  const log = options.log === 'off' ? 'off' : one('--log', options.log, readLog);
  const login = one('--login', options.login, (value) => readLogin(value, publicUrl, errors));
  const cacheFolder = options.cache === true ? CACHE_FOLDER : options.cache;
  const cache = one('--cache', cacheFolder, readPath(`a folder, such as ${CACHE_FOLDER}`));
  const limitConn = one('--limit-conn', options.limitConn, readCount(MAX_LIMIT_CONN, 8));
  return {
    upstreams,
    server: options.server === true,
    listens,
    ...(certificate !== undefined && key !== undefined && { tls: { certificate, key } }),
    redirects: isRedirected ? listens.flatMap((listen) => plainListen(listen) ?? []) : [],
    sites,
    sources: readFileSources(options, sites, storages, errors),
    storages: resolvers.length > 0 ? [] : storages.all,
    resolvers,
    ...(log !== undefined && { log }),
    origins: [...new Set(each('--cors', options.cors, readOrigin))],
    ...(login !== undefined && { login }),
    ...(limitConn !== undefined && { limitConn }),
    pages: readPages(options.pages, errors),
    folder: '/etc/nginx',
    listing: options.listing === true,
    disableSymlinks: options.disableSymlinks === true,
    ...(cache !== undefined && { cache }),
    xAccel: options.xAccel === true,
  };
}

/** The default server of the upstream: the address that Postern's own gate listens on. */
function ownGate(listen: Config['listen']): SourcedValue {
  const LOOPBACK: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  const text = 'path' in listen ? `unix:${listen.path}` : hostAndPort(listen);
  return given('POSTERN_LISTEN (or --upstream)', text);

  function hostAndPort({ host, port }: { host: string; port: number }): string {
    const at = LOOPBACK[host] ?? host;
    return `${at.includes(':') ? `[${at}]` : at}:${port}`;
  }
}
