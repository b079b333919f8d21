import type { Config } from '../../service/config/config.ts';
import type { ConfigErrors } from '../../service/config/errors.ts';
import type { SourcedValue } from '../../service/config/source.ts';
import { given } from '../config.ts';
import { type Pages, readPages } from './pages.ts';
import { type FileSources, planSites, readFileSources, type ServerPlan } from './sites.ts';
import { type StorageSource, storagesOf } from './storage.ts';
import {
  readCount,
  readListenAddress,
  readLogFile,
  readLogin,
  readOrigin,
  readResolver,
  readUpstream,
  sameListen,
} from './values.ts';

/** The options of `postern nginx`. */
export interface NginxOptions {
  readonly files: readonly string[];
  readonly proxyTarget: readonly string[];
  readonly resolver: readonly string[];
  readonly listen: readonly string[];
  readonly serverName: readonly string[];
  readonly upstream: readonly string[];
  readonly instances?: string;
  readonly cors: readonly string[];
  readonly login?: string;
  readonly limitConn?: string;
  readonly listing?: true;
  readonly pages?: string;
  readonly cache?: true;
  readonly xAccel?: true;
  readonly log: 'json' | 'off';
  readonly logFile: string;
}

export const DEFAULTS: NginxOptions = {
  files: [],
  proxyTarget: [],
  resolver: [],
  listen: ['80'],
  serverName: [],
  upstream: [],
  cors: [],
  log: 'json',
  logFile: '/var/log/nginx/access.log',
};

/** nginx stores the number of --limit-conn in 16 bits. */
const MAX_LIMIT_CONN = 65_535;

/** One for each core, even on a large machine. */
const MAX_INSTANCES = 64;

type Read<T> = (value: SourcedValue, errors: ConfigErrors) => T | undefined;

/** Everything that the configuration contains. All values are checked, and safe to write. */
export interface Plan {
  readonly upstreams: readonly string[];
  readonly listens: readonly string[];
  readonly sites: readonly ServerPlan[];
  readonly sources: FileSources;
  readonly storages: readonly StorageSource[];
  /** DNS servers for the hosts of the storages; none: nginx looks them up when it starts. */
  readonly resolvers: readonly string[];
  /** Absent: no log. */
  readonly logFile?: string;
  readonly origins: readonly string[];
  readonly login?: string;
  readonly limitConn?: number;
  readonly pages: Pages;
  /** nginx's own folder, in which postern/ is. */
  readonly folder: string;
  readonly listing: boolean;
  readonly cache: boolean;
  readonly xAccel: boolean;
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
  const listens = each('--listen', options.listen, readListenAddress);
  if (new Set(listens.map(sameListen)).size < listens.length) {
    errors.add(given('--listen', listens.join(' ')), 'each address once');
  }
  const sites = planSites(mounts, options.serverName, errors);
  const storages = storagesOf(mounts);
  const resolvers = each('--resolver', options.resolver, readResolver);
  const log = options.log === 'off' ? undefined : options.logFile;
  const logFile = one('--log-file', log, readLogFile);
  const login = one('--login', options.login, (value) => readLogin(value, publicUrl, errors));
  const limitConn = one('--limit-conn', options.limitConn, readCount(MAX_LIMIT_CONN, 8));
  return {
    upstreams,
    listens,
    sites,
    sources: readFileSources(options, sites, storages, errors),
    storages: resolvers.length > 0 ? [] : storages.all,
    resolvers,
    ...(logFile !== undefined && { logFile }),
    origins: [...new Set(each('--cors', options.cors, readOrigin))],
    ...(login !== undefined && { login }),
    ...(limitConn !== undefined && { limitConn }),
    pages: readPages(options.pages, errors),
    folder: '/etc/nginx',
    listing: options.listing === true,
    cache: options.cache === true,
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
