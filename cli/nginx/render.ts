import { quoted } from '../../doctor/config/context.ts';
import { isBefore } from '../../doctor/config/version.ts';
import type { Plan } from './plan.ts';
import { hasOwnLog, keptHeaders, keptPages } from './remaining.ts';
import { type ServerPlan, type StorageSource, siteFile, slicesSocket } from './sites.ts';

type Include = (snippet: string) => string;

/** Lines, without those whose condition is false. */
function present(...lines: ReadonlyArray<string | false | undefined>): string[] {
  return lines.filter((line) => typeof line === 'string');
}

export function renderHttp(plan: Plan, include: Include): string {
  const { limitConn, cache, origins, login } = plan;
  return present(
    include('http.conf'),
    limitConn !== undefined && `limit_conn postern_connections ${limitConn};`,
    cache && `${cachePath(cache)}\n\n${include('cache.conf')}`,
    origins.length > 0 &&
      block('map $http_origin $postern_cors_origin', ['default "";', ...origins.map(origin)]),
    login && block('map "" $postern_login_page', [`default "${login}$postern_return";`]),
    '# Your settings, after the others: nginx uses the last map with a name. This file is never replaced.\ninclude postern/local.conf;',
    namesHash(plan),
    upstream(plan.upstreams),
    ...plan.storages.map(storageUpstream),
    ...(plan.slices === undefined
      ? []
      : plan.sites.map((site) => innerServer(plan, site, include))),
  ).join('\n\n');
}

function cachePath(folder: string): string {
  return [
    '# The files contain tokens. nginx creates the folder for its own user only (0700).',
    `proxy_cache_path ${quoted(folder)} levels=1:2 keys_zone=postern_decisions:512k`,
    '                 inactive=1m use_temp_path=off;',
  ].join('\n');
}

/** nginx's hash of a map has room for about this many characters. A regex has no such limit. */
const MAX_KEY_LENGTH = 40;

function origin(text: string): string {
  const key = text.length <= MAX_KEY_LENGTH ? text : `~^${text.replace(/[.[\]]/g, '\\\\$&')}$`;
  return `"${key}" $http_origin;`;
}

const FAILURES = 'max_fails=3 fail_timeout=1s';

function upstream(servers: readonly string[]): string {
  // nginx never disables the only server. A name can have several addresses.
  const isSingle = servers.length === 1 && servers[0]?.startsWith('unix:');
  return block('upstream postern', [
    ...(isSingle
      ? servers.map((server) => `server ${quoted(server)};`)
      : [
          '# By default, one time-out disables a server for ten seconds: a burst would disable all servers.',
          ...servers.map((server) => `server ${quoted(server)} ${FAILURES};`),
        ]),
    '# Without it, each request opens a new connection.',
    'keepalive 256;',
  ]);
}

function storageUpstream({ url, upstream: name }: StorageSource): string {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return block(`upstream ${name}`, [
    '# nginx looks this name up when it starts. From nginx 1.27.3 on, it can follow changes: write',
    '# `zone` and `resolve`. On an older nginx, use --resolver.',
    '# By default, one failure disables an address for ten seconds.',
    `server ${url.hostname}:${port} ${FAILURES};`,
    'keepalive 64;',
  ]);
}

export function renderSite(plan: Plan, site: ServerPlan, include: Include): string {
  const log = !(plan.log === undefined && hasOwnLog(plan, site)) && accessLog(plan);
  const { slices } = plan;
  if (slices === undefined) return gated(plan, site, include, log);
  const lines = [include('slices.conf'), `proxy_pass http://${slicesSocket(site, slices)};`];
  const outer = site.publics.map((prefix) => block(`location ^~ ${quoted(prefix)}`, lines));
  return present(log, ...outer).join('\n\n');
}

/** The server block that the outer one asks for each slice. Both have the same first name. */
function innerServer(plan: Plan, site: ServerPlan, include: Include): string {
  return block('server', [
    // If the queue of connections is full, nginx answers 502. Its default length is 511.
    `listen ${slicesSocket(site, plan.slices ?? '')} backlog=4096;`,
    `server_name ${site.names.join(' ')};`,
    'access_log off;',
    include('inner.conf'),
    gated(plan, site, include),
  ]);
}

function gated(plan: Plan, site: ServerPlan, include: Include, log: string | false = false) {
  const mode = plan.xAccel ? 'x-accel.conf' : 'protect.conf';
  return [
    present(
      log,
      include('auth-request.conf'),
      plan.origins.length > 0 && include('cors-headers.conf'),
    ).join('\n'),
    ...site.publics.map((prefix) =>
      block(`location ^~ ${quoted(prefix)}`, [...keptPages(plan, site), include(mode)]),
    ),
    ...site.internals.map((prefix) =>
      block(`location ^~ ${quoted(prefix)}`, internal(prefix, plan, site, include)),
    ),
  ].join('\n\n');
}

function accessLog({ log = '/var/log/nginx/access.log' }: Plan): string {
  return log === 'off' ? 'access_log off;' : `access_log ${log} postern;`;
}

/** A whole server block, which includes the site, and the redirect to it. */
export function renderServer(plan: Plan, site: ServerPlan): string {
  const { tls, listens, redirects, version } = plan;
  const names = `server_name ${site.names.join(' ')};`;
  const hasDirective = version !== undefined && !isBefore(version, [1, 25, 1]);
  const parameters = tls === undefined ? '' : hasDirective ? ' ssl' : ' ssl http2';
  const main = block(
    'server',
    present(
      ...listens.map((listen) => `listen ${listen}${parameters};`),
      tls && hasDirective && 'http2 on;',
      names,
      tls && `ssl_certificate ${tls.certificate};`,
      tls && `ssl_certificate_key ${tls.key};`,
      '',
      `include ${quoted(siteFile(site))};`,
    ),
  );
  if (redirects.length === 0) return main;
  const redirect = block('server', [
    ...redirects.map((listen) => `listen ${listen};`),
    names,
    accessLog(plan),
    'return 301 https://$host$request_uri;',
  ]);
  return `${main}\n\n${redirect}`;
}

function internal(prefix: string, plan: Plan, site: ServerPlan, include: Include): string[] {
  const source = plan.sources(site.name, prefix);
  // With slices, the outer block adds its own headers.
  const headers = plan.slices === undefined ? keptHeaders(plan, site) : [include('inner.conf')];
  if ('folder' in source) {
    return present(
      include('internal.conf'),
      ...headers,
      plan.listing && include('listing.conf'),
      plan.disableSymlinks && 'disable_symlinks on;',
      `alias ${quoted(source.folder)};`,
    );
  }
  return [
    include('internal-proxy.conf'),
    ...headers,
    ...('upstream' in source
      ? storageLines(source, plan.resolvers)
      : [`proxy_pass ${source.url};`]),
    ...(String(source.url).startsWith('https:') ? VERIFY_CERTIFICATE : []),
  ];
}

/** What the internal location of an object store needs besides the snippets. */
function storageLines({ url, upstream }: StorageSource, resolvers: readonly string[]): string[] {
  // A host in a proxy_pass with variables is looked up again after its time to live, but nginx opens a
  // connection for each request.
  const isResolved = resolvers.length > 0;
  return present(
    isResolved && `resolver ${resolvers.join(' ')};`,
    `proxy_set_header Host ${url.host};`,
    url.protocol === 'https:' && `proxy_ssl_name ${url.hostname};`,
    `proxy_pass ${url.protocol}//${isResolved ? url.host : upstream}${url.pathname}$postern_object?$args;`,
  );
}

/** By default nginx accepts any certificate. */
const VERIFY_CERTIFICATE = [
  'proxy_ssl_verify on;',
  'proxy_ssl_verify_depth 4;',
  '# The path of Debian, Ubuntu and Alpine.',
  'proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;',
];

/** The longest name that fits into nginx's default hash of names. */
const MAX_DEFAULT_NAME = 40;

function namesHash({ server, sites }: Plan): string | false {
  const longest = Math.max(...sites.flatMap(({ names }) => names.map((name) => name.length)));
  const isLong = server && longest > MAX_DEFAULT_NAME;
  return isLong && '# For a long server_name.\nserver_names_hash_bucket_size 512;';
}

function block(head: string, lines: readonly string[]): string {
  const inner = lines.flatMap((line) => line.split('\n')).map((line) => line && `    ${line}`);
  return `${head} {\n${inner.join('\n')}\n}`;
}
