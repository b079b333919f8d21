import type { Plan } from './plan.ts';
import { type ServerPlan, word } from './sites.ts';
import { type StorageSource, storageLines, storageUpstream } from './storage.ts';
import type { FileSource } from './values.ts';

/** The snippets of the http block, in order. */
function httpSnippets({ limitConn, cache, origins, login }: Plan): string[] {
  return [
    'http.conf',
    ...(limitConn === undefined ? [] : ['limit-conn.conf']),
    ...(cache ? ['cache.conf'] : []),
    ...(origins.length > 0 ? ['cors.conf'] : []),
    ...(login === undefined ? [] : ['login.conf']),
  ];
}

/** The content of the http block, without the first comment. */
export function render(plan: Plan, include: (snippet: string) => string): string {
  return [
    httpSnippets(plan).map(include).join('\n'),
    ...namesHash(plan.sites),
    upstream(plan.upstreams),
    ...plan.storages.map((storage) =>
      block(`upstream ${storage.upstream}`, storageUpstream(storage)),
    ),
    ...plan.sites.map((site) => server(plan, site, include)),
  ].join('\n\n');
}

function upstream(servers: readonly string[]): string {
  return block('upstream postern', [
    '# By default one time-out takes a server out for ten seconds: a burst would disable all of them.',
    ...servers.map((server) => `server ${word(server)} max_fails=3 fail_timeout=1s;`),
    '# Without it, each request opens a new connection.',
    'keepalive 256;',
  ]);
}

function server(
  plan: Plan,
  { name, publics, internals }: ServerPlan,
  include: (name: string) => string,
) {
  const mode = plan.xAccel ? 'x-accel.conf' : 'protect.conf';
  return block('server', [
    ...plan.listens.map((listen) => `listen ${listen};`),
    `server_name ${name};`,
    plan.logFile === undefined ? 'access_log off;' : `access_log ${plan.logFile} postern;`,
    '',
    include('auth-request.conf'),
    ...(plan.origins.length > 0 ? [include('cors-headers.conf')] : []),
    ...publics.flatMap((prefix) => ['', location(prefix, [include(mode)])]),
    ...internals.flatMap((prefix) => [
      '',
      location(prefix, internal(plan.sources(name, prefix), plan, include)),
    ]),
  ]);
}

function internal(
  source: FileSource | StorageSource,
  { listing, resolvers }: Plan,
  include: (name: string) => string,
): string[] {
  if ('folder' in source) {
    return [
      include('internal.conf'),
      include('headers.conf'),
      ...(listing ? [include('listing.conf')] : []),
      `alias ${word(source.folder)};`,
    ];
  }
  return [
    include('internal-proxy.conf'),
    include('headers.conf'),
    ...('upstream' in source ? storageLines(source, resolvers) : [`proxy_pass ${source.url};`]),
    ...(String(source.url).startsWith('https:') ? VERIFY_CERTIFICATE : []),
  ];
}

/** By default nginx accepts any certificate. */
const VERIFY_CERTIFICATE = [
  'proxy_ssl_verify on;',
  'proxy_ssl_verify_depth 4;',
  '# The path of Debian, Ubuntu and Alpine.',
  'proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;',
];

function location(prefix: string, lines: readonly string[]): string {
  return block(`location ^~ ${word(prefix)}`, lines);
}

/** The longest name that fits into nginx's default hash of names. */
const MAX_DEFAULT_NAME = 40;

function namesHash(sites: readonly ServerPlan[]): string[] {
  const longest = Math.max(...sites.map(({ name }) => name.length));
  return longest > MAX_DEFAULT_NAME
    ? ['# For a long server_name.\nserver_names_hash_bucket_size 512;']
    : [];
}

function block(head: string, lines: readonly string[]): string {
  const inner = lines.flatMap((line) => line.split('\n')).map((line) => line && `    ${line}`);
  return `${head} {\n${inner.join('\n')}\n}`;
}
