import {
  type Context,
  effective,
  type Http,
  own,
  type Server,
  title,
  turnedOn,
} from '../context.ts';
import { returns, wordsOf } from '../directive.ts';
import { type Rule, rule, type Trap } from '../trap.ts';

/** Server blocks that let other people read or replay tokens. */
export const serverRules: Readonly<Record<string, Rule>> = {
  'early-data': rule({
    why: 'An attacker who recorded a request in early data can replay it: the replay counts as a use, or downloads the file again.',
    fix: 'ssl_early_data off;',
    find: ({ servers, gates }) =>
      servers.flatMap((server) => {
        const at = turnedOn(server, 'ssl_early_data');
        const isOpen = gates.some((gate) => gate.server === server && !returnsIf(gate, EARLY));
        if (at === undefined || !isOpen || returnsIf(server, EARLY)) return [];
        return { at, seen: 'ssl_early_data on in a server block that serves protected files' };
      }),
  }),
  'plain-http': rule({
    why: 'The token is in the URL or a header: everybody on the network path can read and use it.',
    fix: 'listen 443 ssl; with ssl_certificate and ssl_certificate_key, and on port 80 a server block with only return 301 https://$host$request_uri; or, behind a proxy that terminates TLS, set_real_ip_from and real_ip_header',
    find: ({ servers, gates }) =>
      servers.flatMap((server) => {
        const gate = gates.find((one) => one.server === server);
        const isRedirect = returnsIf(server, /\$(scheme|https)\b/);
        if (gate === undefined || isRedirect || isBehindProxy(server)) return [];
        const lines = own(server, 'listen');
        // Without one nginx listens on port 80 of all addresses.
        return (lines.length > 0 ? lines : [server.at])
          .filter(({ args }) => !isPrivate(args))
          .map((at) => {
            const line = at === server.at ? 'server without a listen' : wordsOf(at);
            return { at, seen: `${line}: ${title(gate)} is served over plain HTTP` };
          });
      }),
  }),
  log: ({ http, servers, gates, internals }) =>
    servers.flatMap((server) => {
      const locations = [...gates, ...internals].filter((one) => one.server === server);
      // Denials end in named locations, which inherit from the server.
      return [...withoutLog(server), ...tokenLogs(http, [server, ...locations])];
    }),
};

const EARLY = /\$ssl_early_data/;

/** Whether an `if` on this variable ends the request. */
function returnsIf(context: Context, variable: RegExp): boolean {
  return own(context, 'if').some(
    ({ args, block = [] }) => args.some((word) => variable.test(word)) && returns(block),
  );
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

/** Each variable contains a part of the request, and with it the token. Names of variables are case-insensitive. */
const REVEALING =
  /\$\{?(request|request_uri|uri|document_uri|args|query_string|arg_token|request_filename|http_referer|http_authorization|http_cookie|cookie_postern|sent_http_location|request_body)(?!\w)/i;

function withoutLog(server: Server): readonly Trap[] {
  if (effective(server, 'access_log').length > 0) return [];
  const why = 'nginx then writes its default log, with the request line and every token in it.';
  const fix = 'access_log /var/log/nginx/access.log postern;';
  return [{ at: server.at, seen: 'server without an access_log', why, fix }];
}

/** The access logs of these blocks that contain tokens. */
export function tokenLogs(http: Http, contexts: readonly Context[]): readonly Trap[] {
  const formats = new Map([
    ['combined', '$request'],
    ...own(http, 'log_format').map(
      ({ args: [name = '', ...rest] }) => [name, rest.join('')] as const,
    ),
  ]);
  return contexts
    .flatMap((context) => effective(context, 'access_log'))
    .flatMap((at) => {
      const [file = '', name = 'combined'] = at.args;
      const [, variable] = REVEALING.exec(formats.get(name) ?? '') ?? [];
      if (file === 'off' || variable === undefined) return [];
      return {
        at,
        seen: `${wordsOf(at)} in a server block that serves protected files`,
        why: `The format ${name} writes $${variable}, which contains every token in a URL.`,
        fix: `access_log ${file} postern;`,
      };
    });
}
