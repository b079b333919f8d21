import {
  type Context,
  effective,
  type Http,
  own,
  type Server,
  title,
  turnedOn,
} from '../context.ts';
import { type Directive, returns, wordsOf } from '../directive.ts';
import { DELIVERY, type SiteConfig } from '../site.ts';
import type { Trap } from '../trap.ts';

/** TLS early data, which an attacker on the network can replay. */
export function earlyData({ servers, gates }: SiteConfig): readonly Trap[] {
  return servers.flatMap((server) => {
    const at = turnedOn(server, 'ssl_early_data');
    const isOpen = gates.some(
      ({ location }) => location.server === server && !returnsIf(location, EARLY),
    );
    if (at === undefined || !isOpen || returnsIf(server, EARLY)) return [];
    return {
      at,
      seen: 'ssl_early_data on in a server block that serves protected files',
      why: 'An attacker who recorded a request in early data can replay it: it takes a use of a token with max_uses, or downloads the file again.',
      fix: 'ssl_early_data off;',
    };
  });
}

const EARLY = /\$ssl_early_data/;

/** Whether an `if` on this variable ends the request. */
function returnsIf(context: Context, variable: RegExp): boolean {
  return own(context, 'if').some(
    ({ args, block = [] }) => args.some((word) => variable.test(word)) && returns(block),
  );
}

/** Tokens that cross a network unencrypted. */
export function plainHttp({ servers, gates }: SiteConfig): readonly Trap[] {
  return servers.flatMap((server) => {
    const gate = gates.find(({ location }) => location.server === server);
    const isRedirect = returnsIf(server, /\$(scheme|https)\b/);
    if (gate === undefined || isRedirect || isBehindProxy(server)) return [];
    const lines = own(server, 'listen');
    // Without one nginx listens on port 80 of all addresses.
    return (lines.length > 0 ? lines : [server.at])
      .filter(({ args }) => !isPrivate(args))
      .map((at) => ({
        at,
        seen: `${at === server.at ? 'server without a listen' : wordsOf(at)}: ${title(gate.location)} is served over plain HTTP`,
        why: 'The token is in the URL or a header: everybody on the network path can read and use it.',
        fix: 'listen 443 ssl; with ssl_certificate and ssl_certificate_key, and on port 80 a server block with only return 301 https://$host$request_uri; or, behind a proxy that terminates TLS, set_real_ip_from and real_ip_header',
      }));
  });
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

/** A limit_conn that disables the one for tokens, or limit-conn.conf without that line. */
export function limitConn(site: SiteConfig): readonly Trap[] {
  if (!own(site.http, 'limit_conn').some(isOurs)) return withoutLimit(site);
  const before = onTheWay(site);
  const known = before.map(({ at }) => at);
  return [...before, ...atTheEnd(site).filter(({ at }) => !known.includes(at))];
}

function withoutLimit({ http, internals }: SiteConfig): readonly Trap[] {
  const at = own(http, 'limit_conn_zone').find(({ args }) => args[1]?.startsWith(`zone=${ZONE}:`));
  const isLimited = internals.some((one) => effective(one, 'limit_conn').some(isOurs));
  if (at === undefined || isLimited) return [];
  const seen = `limit_conn_zone ${ZONE} without a limit_conn`;
  const why = 'Nothing limits the simultaneous downloads of a token.';
  return [{ at, seen, why, fix: `limit_conn ${ZONE} 8; in the http block` }];
}

function onTheWay({ servers, gates, questions }: SiteConfig): readonly Trap[] {
  const way = servers.flatMap((server) => [
    ...gates.flatMap(({ location }) => (location.server === server ? location : [])),
    ...server.locations.filter((one) => questions.includes(one) || one.path === DELIVERY),
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
export function tokenLog({ http, servers, gates, internals }: SiteConfig): readonly Trap[] {
  const locations = [...gates.map(({ location }) => location), ...internals];
  return servers.flatMap((server) => {
    const ofServer = locations.filter((location) => location.server === server);
    // Denials end in named locations, which inherit from the server.
    return [...withoutLog(server), ...tokenLogs(http, [server, ...ofServer])];
  });
}

/** The access logs of these blocks that contain tokens. */
export function tokenLogs(http: Http, contexts: readonly Context[]): readonly Trap[] {
  const formats = new Map(
    own(http, 'log_format').map(({ args: [name = '', ...rest] }) => [name, rest.join('')]),
  );
  return contexts
    .flatMap((context) => effective(context, 'access_log'))
    .flatMap((at) => telling(at, formats));
}

function withoutLog(server: Server): readonly Trap[] {
  if (effective(server, 'access_log').length > 0) return [];
  const why = 'nginx then writes its default log, with the request line and every token in it.';
  return [{ at: server.at, seen: 'server without an access_log', why, fix: LOG_FIX }];
}

function telling(at: Directive, formats: ReadonlyMap<string, string>): readonly Trap[] {
  const [file = '', name = 'combined'] = at.args;
  const format = formats.get(name) ?? (name === 'combined' ? '$request' : '');
  const [, variable] = TELLING.exec(format) ?? [];
  if (file === 'off' || variable === undefined) return [];
  return [
    {
      at,
      seen: `${wordsOf(at)} in a server block that serves protected files`,
      why: `The format ${name} writes $${variable}, which contains every token in a URL.`,
      fix: `access_log ${file} postern;`,
    },
  ];
}
