import { addressOf, given } from '../../common/config.ts';
import { flagOf } from '../../common/options.ts';
import type { Config } from '../../service/config/config.ts';
import type { ConfigErrors } from '../../service/config/errors.ts';
import { wholeNumber } from '../../service/config/values.ts';
import type { Existing } from './installed.ts';
import { planSites, readFileSources, type ServerPlan, slicesSocket, storagesOf } from './sites.ts';
import * as values from './values.ts';

type Lists = 'files' | 'proxyTarget' | 'resolver' | 'listen' | 'serverName' | 'upstream' | 'cors';
type Texts = 'tlsCertificate' | 'tlsKey' | 'login' | 'limitConn' | 'log';
type Flags = 'server' | 'listing' | 'disableSymlinks' | 'errorPages' | 'xAccel';

/** The options of `postern nginx`, without defaults. */
export type NginxOptions = Readonly<
  Partial<Record<Lists, readonly string[]> & Record<Texts, string> & Record<Flags, true>>
> & { readonly cache?: true | string; readonly slices?: true | string };

/** The options that say where the files go. */
export type Output = Readonly<Partial<Record<'force' | 'json' | 'upgrade', true | undefined>>> & {
  readonly out?: string | undefined;
};

/** The folder is in memory, because the files contain tokens. */
const CACHE_FOLDER = '/run/postern-decisions';

/** The folder of nginx/examples/slices.conf. */
const SLICES_FOLDER = '/run/nginx-slices';

/** 107 bytes on Linux, and `unix:`. */
const MAX_SOCKET_LENGTH = 112;

/** First in its folder: a log format must be defined before the access_log lines that use it. */
export const HTTP_FILE = 'conf.d/00-postern.conf';

/** nginx stores the number in 16 bits. */
const limitConn = wholeNumber('simultaneous downloads', 1, 65_535);

/** Everything that the configuration contains. All values are checked, and safe to write. */
export type Plan = ReturnType<typeof planOf> & {
  /** The version of nginx. Absent: unknown. */
  readonly version?: readonly number[] | undefined;
  /** The configuration that the files are added to. Absent: unknown. */
  readonly existing?: Existing | undefined;
};

export function planOf(
  options: NginxOptions,
  { mounts, listen, publicUrl }: Pick<Config, 'mounts' | 'listen' | 'publicUrl'>,
  errors: ConfigErrors,
) {
  const one = <T>(name: string, text: string | undefined, schema: values.Schema<T>) =>
    text === undefined ? undefined : values.read(given(name, text), schema, errors);
  const each = (name: string, texts: readonly string[] = [], schema: values.Schema<string>) =>
    texts.flatMap((text) => one(name, text, schema) ?? []);

  const upstreams = each('--upstream', options.upstream, values.gateAddress);
  if (!options.upstream?.length) {
    const own = given('POSTERN_LISTEN (or --upstream)', addressOf(listen));
    upstreams.push(values.read(own, values.gateAddress, errors) ?? '');
  }
  const pem = values.pathOf('a file in PEM, such as /etc/ssl/files.example.pem');
  const { tlsCertificate, tlsKey, files, proxyTarget } = options;
  const isTls = tlsCertificate !== undefined || tlsKey !== undefined;
  const certificate = one('--tls-certificate', isTls ? (tlsCertificate ?? '') : undefined, pem);
  const key = one('--tls-key', isTls ? (tlsKey ?? '') : undefined, pem);
  const listens = each('--listen', options.listen, values.nginxListen);
  if (listens.length === 0) listens.push(isTls ? '443' : '80');
  const plain = listens.find((listen) => isTls && /(^|:)80$/.test(listen));
  if (plain !== undefined) errors.add(given('--listen', plain), 'with TLS, another port than 80');
  const secure = listens.filter((listen) => isTls && /(^|:)443$/.test(listen));
  const sites = planSites(mounts, options.serverName ?? [], errors);
  const storages = storagesOf(mounts);
  const resolvers = each('--resolver', options.resolver, values.dnsServer);
  const log = values.pathOf('a log, such as /var/log/nginx/access.log, or off');
  const slices = one(
    '--slices',
    options.slices === true ? SLICES_FOLDER : options.slices,
    values.pathOf(`a folder, such as ${SLICES_FOLDER}`),
  )?.replace(/\/$/, '');
  if (slices !== undefined) {
    const whole = mounts.find(({ downloadTime }) => downloadTime === undefined);
    if (whole) {
      errors.add({ field: `the mount ${whole.prefix}` }, 'a download_time, because of --slices');
    }
    const isLong = (site: ServerPlan) => slicesSocket(site, slices).length > MAX_SOCKET_LENGTH;
    if (sites.some(isLong)) {
      errors.add(
        given('--slices', slices),
        `a shorter folder or --server-name: with unix:, the path of a socket has at most ${MAX_SOCKET_LENGTH} bytes`,
      );
    }
    // These directives would apply to each slice, or to a response that the outer block does not read.
    for (const name of ['errorPages', 'limitConn'] as const) {
      if (options[name] !== undefined) {
        errors.add({ field: flagOf(name) }, 'no value: it does not work with --slices');
      }
    }
  }
  const cacheFolder = options.cache === true ? CACHE_FOLDER : options.cache;
  return {
    upstreams,
    server: options.server === true,
    listens,
    tls: certificate && key ? { certificate, key } : undefined,
    /** The addresses of the redirect to HTTPS. */
    redirects: secure.map((listen) => listen.replace(/443$/, '80')),
    sites,
    /** DNS servers for the hosts of the storages; none: nginx looks them up when it starts. */
    resolvers,
    /** The access log, or `off`. Undefined: the usual one, unless the operator's server block has one. */
    log: options.log === 'off' ? 'off' : one('--log', options.log, log),
    login: one('--login', options.login, values.loginUrl(publicUrl)),
    /** The folder of the inner sockets, without a slash at its end. Undefined: no slices. */
    slices,
    cache: one('--cache', cacheFolder, values.pathOf(`a folder, such as ${CACHE_FOLDER}`)),
    limitConn: one('--limit-conn', options.limitConn, limitConn),
    sources: readFileSources({ files, proxyTarget }, sites, storages, errors),
    /** One for each upstream block. */
    storages: resolvers.length > 0 ? [] : storages.all,
    origins: [...new Set(each('--cors', options.cors, values.corsOrigin))],
    /** nginx's own folder, in which postern/ is. */
    folder: '/etc/nginx',
    listing: options.listing === true,
    disableSymlinks: options.disableSymlinks === true,
    errorPages: options.errorPages === true,
    xAccel: options.xAccel === true,
  };
}
