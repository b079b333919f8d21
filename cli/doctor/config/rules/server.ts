import { type Context, effective, own, type Server, title, turnedOn } from '../context.ts';
import { type Directive, named, wordsOf } from '../directive.ts';
import { DELIVERY, isAuthRequest, isOf, returns, type SiteConfig } from '../site.ts';
import type { Trap } from '../trap.ts';

/** TLS early data, which an attacker on the network can replay. */
export function earlyData({ servers, gates }: SiteConfig): readonly Trap[] {
  return servers.flatMap((server) => {
    const at = turnedOn(server, 'ssl_early_data');
    const open = gates.filter((gate) => isOf(gate, server) && !refuses(gate.location));
    if (at === undefined || open.length === 0 || refuses(server)) return [];
    return {
      at,
      seen: 'ssl_early_data on in a server block that serves protected files',
      why: 'An attacker who recorded a request in early data can replay it: it takes a use of a token with max_uses, or downloads the file again.',
      fix: 'ssl_early_data off;',
    };
  });
}

function refuses({ block }: Pick<Context, 'block'>): boolean {
  return named(block, 'if').some(
    ({ args, block: body }) =>
      args.some((word) => word.includes('$ssl_early_data')) && returns({ block: body ?? [] }),
  );
}

/** Tokens that cross a network unencrypted. */
export function plainHttp({ servers, gates }: SiteConfig): readonly Trap[] {
  return servers.flatMap((server) => {
    const [gate] = gates.filter((one) => isOf(one, server));
    if (gate === undefined || isBehindProxy(server) || redirects(server)) return [];
    return listens(server)
      .filter(({ args }) => !isPrivate(args))
      .map((at) => ({
        at,
        seen: `${at === server.at ? 'server without a listen' : `listen ${at.args.join(' ')}`}: ${title(gate.location)} is served over plain HTTP`,
        why: 'The token is in the URL or a header: everybody on the network path can read and use it.',
        fix: 'listen 443 ssl; with ssl_certificate and ssl_certificate_key, and on port 80 a server block with only return 301 https://$host$request_uri; or, behind a proxy that terminates TLS, set_real_ip_from and real_ip_header',
      }));
  });
}

/** Without one nginx listens on port 80 of all addresses. */
function listens(server: Server): readonly Directive[] {
  const lines = own(server, 'listen');
  return lines.length > 0 ? lines : [server.at];
}

/** TLS, or only this machine. */
function isPrivate([address = '', ...more]: readonly string[]): boolean {
  return (
    more.some((word) => word === 'ssl' || word === 'quic') ||
    /^(unix:|127\.|localhost(:|$)|\[::1\])/.test(address)
  );
}

/** These directives show that a proxy in front passes the requests on. */
function isBehindProxy(server: Server): boolean {
  const isSet = effective(server, 'set_real_ip_from').length > 0;
  return isSet || own(server, 'listen').some(({ args }) => args.includes('proxy_protocol'));
}

function redirects({ block }: Server): boolean {
  return named(block, 'if').some(
    ({ args, block: body = [] }) =>
      args.some((word) => /\$(scheme|https)\b/.test(word)) && returns({ block: body }),
  );
}

const POLICY = '$postern_content_security_policy';

/** headers.conf without the map in http.conf, which has the policy that it sends. */
export function httpConf({ http, internals }: SiteConfig): readonly Trap[] {
  if (own(http, 'map').some(({ args }) => args[1] === POLICY)) return [];
  return internals
    .filter((location) => own(location, 'set').every(({ args }) => args[0] !== POLICY))
    .flatMap((location) =>
      effective(location, 'add_header')
        .filter(({ args }) => args[1] === POLICY)
        .map((at) => ({
          at,
          seen: `${title(location)} sends no Content-Security-Policy: the http block has no map for ${POLICY}`,
          why: 'A page, a drawing or a script that somebody uploaded is opened with the rights of your site.',
          fix: 'include postern/http.conf; in the http block',
        })),
    );
}

const ZONE = 'postern_connections';
const LIMIT_WHY =
  'nginx counts a request in one location only, and a limit_conn in a block replaces the inherited one: nginx silently drops the limit for a token.';

/** A limit_conn that disables the one of limit-conn.conf. */
export function limitConn(site: SiteConfig): readonly Trap[] {
  const isUsed = own(site.http, 'limit_conn').some(isOurs);
  if (!isUsed) return [];
  const before = onTheWay(site);
  const known = before.map(({ at }) => at);
  return [...before, ...atTheEnd(site).filter(({ at }) => !known.includes(at))];
}

function onTheWay({ servers, gates }: SiteConfig): readonly Trap[] {
  const way = servers.flatMap((server): readonly Context[] => [
    ...gates.filter((gate) => isOf(gate, server)).map(({ location }) => location),
    ...server.locations.filter((one) => isAuthRequest(one) || one.path === DELIVERY),
  ]);
  return way
    .flatMap((context) => effective(context, 'limit_conn'))
    .filter((line) => !isOurs(line))
    .map((at) => ({
      at,
      seen: `${wordsOf(at)} is in force on the way to the file`,
      why: LIMIT_WHY,
      fix: `limit_conn ${ZONE} 8; ${wordsOf(at)}; put both into the internal location, and remove this line above it`,
    }));
}

function atTheEnd({ internals }: SiteConfig): readonly Trap[] {
  return internals.flatMap((location) => {
    const lines = effective(location, 'limit_conn');
    const [at] = lines;
    if (at === undefined || lines.some(isOurs)) return [];
    const seen = `${wordsOf(at)} replaces limit_conn ${ZONE}`;
    return [{ at, seen, why: LIMIT_WHY, fix: `limit_conn ${ZONE} 8; in the same block` }];
  });
}

function isOurs({ args }: Directive): boolean {
  return args[0] === ZONE;
}

/** Each variable contains a part of the request, and with it the token. */
const TELLING =
  /\$\{?(request|request_uri|uri|document_uri|args|query_string|arg_token|request_filename|http_referer|http_authorization|http_cookie|cookie_postern|sent_http_location|request_body)(?!\w)/;

const LOG_FIX = 'access_log /var/log/nginx/access.log postern;';

/** Access logs that contain tokens, in a server block with a gate. */
export function tokenLog(site: SiteConfig): readonly Trap[] {
  const formats = formatsOf(site);
  return site.servers.flatMap((server) => {
    // Denials end in named locations, which inherit from the server.
    const contexts = [
      server,
      ...site.gates.map(({ location }) => location),
      ...site.internals,
    ].filter((context) => context === server || ('server' in context && context.server === server));
    return [...new Set(contexts.flatMap((context) => findIn(context, formats)))];
  });
}

function findIn(context: Context, formats: ReadonlyMap<string, string>): readonly Trap[] {
  const logs = effective(context, 'access_log');
  if (logs.length === 0) {
    // A location without access_log inherits from the server, which is reported already.
    if (context.at.name !== 'server') return [];
    const why = 'nginx then writes its default log, with the request line and every token in it.';
    return [
      { at: context.at, seen: `${context.at.name} without an access_log`, why, fix: LOG_FIX },
    ];
  }
  return logs.flatMap((at) => {
    const variable = tellingPart(at, formats);
    if (variable === undefined) return [];
    return {
      at,
      seen: `${wordsOf(at)} in a server block that serves protected files`,
      why: `The format ${formatOf(at)} writes ${variable}, which contains every token in a URL.`,
      fix: LOG_FIX,
    };
  });
}

function tellingPart(at: Directive, formats: ReadonlyMap<string, string>): string | undefined {
  if (at.args[0] === 'off') return undefined;
  const name = formatOf(at);
  const format = formats.get(name) ?? (name === 'combined' ? '$request' : '');
  const [, variable] = TELLING.exec(format) ?? [];
  return variable && `$${variable}`;
}

function formatOf({ args }: Directive): string {
  return args[1] ?? 'combined';
}

function formatsOf({ http }: SiteConfig): ReadonlyMap<string, string> {
  return new Map(
    own(http, 'log_format').map(({ args: [name = '', ...rest] }) => [name, rest.join('')]),
  );
}
