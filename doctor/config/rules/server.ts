import { LOCAL } from '../addresses.ts';
import { type Context, Directive, type Location } from '../context.ts';
import type { Rule, SiteConfig, Trap } from '../site.ts';
import { isBehind } from './front.ts';
import { othersOf } from './hidden-ways.ts';

/** Server blocks that let other people read or replay tokens. */
export const serverRules: Readonly<Record<string, Rule>> = {
  'early-data': ({ publicServers, publics }) =>
    publicServers.flatMap((server) => {
      const at = server.turnedOn('ssl_early_data');
      const isOpen = publics.some((one) => one.server === server && !returnsIf(one, EARLY));
      if (at === undefined || !isOpen || returnsIf(server, EARLY)) return [];
      return {
        at,
        seen: 'ssl_early_data on in a server block that serves protected files',
        why: 'An attacker who recorded a request in early data can replay it: the replay counts as a use, or downloads the file again.',
        fix: 'instead of this line: ssl_early_data off;',
      };
    }),
  'plain-http': ({ publicServers, publics }) =>
    publicServers.flatMap((server) => {
      const gate = publics.find((one) => one.server === server);
      const isRedirect = returnsIf(server, /\$(scheme|https)\b/);
      const lines = server.own('listen');
      const isBehindProxy =
        server.inForce('set_real_ip_from') ||
        lines.some(({ args }) => args.includes('proxy_protocol'));
      if (gate === undefined || isRedirect || isBehindProxy) return [];
      // If there is none, nginx listens on port 80 of all addresses.
      return (lines.length > 0 ? lines : [server])
        .filter(
          ({ words, args: [address = ''] }) => !/ (ssl|quic)\b/.test(words) && !LOCAL.test(address),
        )
        .map((at) => ({
          at,
          seen: `${at === server ? 'server without a listen' : at.words}: ${gate.words} is served over plain HTTP`,
          why: 'The token is in the URL or a header: everybody on the network path can read and use it.',
          fix: 'listen 443 ssl; with ssl_certificate and ssl_certificate_key, and on port 80 a server block with only return 301 https://$host$request_uri; or, behind a proxy that terminates TLS, set_real_ip_from and real_ip_header',
        }));
    }),
  log: (site) => {
    const fronts = othersOf(site).filter((one) =>
      site.gates.some((gate) => isBehind(gate, one, site.http)),
    );
    const servers = [...site.servers, ...redirecting(site), ...fronts.map(({ server }) => server)];
    // Denials end in named locations, which inherit from the server.
    const contexts = [...servers, ...fronts, ...site.gates, ...site.internals];
    return [...servers.flatMap(withoutLog), ...tokenLogs(site, contexts)];
  },
  cors: ({ http }) => {
    const map = http.map('$postern_cors_origin')?.block ?? [];
    return map
      .filter(({ name, args: [value = ''] }) =>
        name === 'default' ? /^(\*|null)$|\$/.test(value) : name === 'null',
      )
      .map((at) => ({
        at,
        seen: `${at.words} in the map for $postern_cors_origin`,
        why: 'Each page, of any site, can read the files that its visitor may open. An uploaded page in a sandbox has the origin null.',
        fix: at.name === 'null' ? 'delete this line' : 'instead of this line: default "";',
      }));
  },
};

/** The server blocks that redirect to one with a gate, such as that of port 80: a token in the URL is valid there. */
function redirecting({ http, servers }: SiteConfig): readonly Location[] {
  const names = servers.flatMap(({ names }) => names);
  return http.servers.filter((one) => {
    const to = one.nested.flatMap((block) => block.own('return')).map(({ args }) => args.join(' '));
    const isShared = one.names.some((name) => names.includes(name));
    const keeps = to.filter((text) => /\$\{?(request_uri|uri|args)/.test(text));
    return (
      !servers.includes(one) &&
      keeps.some((text) => isShared || names.some((name) => text.includes(`//${name}`)))
    );
  });
}

const EARLY = /\$ssl_early_data/;

/** Whether an `if` on this variable ends the request. */
function returnsIf(context: Context, variable: RegExp): boolean {
  return context
    .own('if')
    .some((one) => one.args.some((word) => variable.test(word)) && one.has('return'));
}

/** Each variable contains a part of the request, and with it the token. Names of variables are case-insensitive. */
const REVEALING =
  /\$\{?(request|request_uri|uri|document_uri|args|query_string|arg_token|request_filename|http_referer|http_authorization|http_cookie|cookie_postern|sent_http_(location|set_cookie)|upstream_http_(postern_)?set_cookie\w*|postern_(cookies|set_cookie\w*)|fastcgi_script_name|request_body)(?!\w)/i;

function withoutLog(server: Location): readonly Trap[] {
  if (server.effective('access_log').length > 0) return [];
  const why = 'nginx then writes its default log, with the request line and every token in it.';
  const fix = `in ${server.titleAt}: access_log /var/log/nginx/access.log postern;`;
  return [{ at: server, seen: 'server without an access_log', why, fix }];
}

/** The access logs that contain tokens, or a map of the site's own, which may or may not remove them. */
function tokenLogs({ http, snippets }: SiteConfig, contexts: readonly Context[]): readonly Trap[] {
  const formats = new Map([
    ['combined', '$request'],
    ...http
      .own('log_format')
      .map(({ args: [name = '', ...rest] }) => [name, rest.join('')] as const),
  ]);
  const isUnclear = (variable: string) => {
    const map = http.map(variable);
    const isOwn = map && snippets.every(({ file }) => file !== map.file);
    return isOwn && REVEALING.test(map.args[0] ?? '');
  };
  return contexts.flatMap((context) =>
    context.effective('access_log').flatMap((at): Trap | readonly Trap[] => {
      const [file = '', name = 'combined', ...more] = at.args;
      const format = file === 'off' ? '' : (formats.get(name) ?? '');
      const variables = [...format.matchAll(/\$\{?(\w+)/g)].map(([, word]) => `$${word}`);
      const secret = variables.find((one) => REVEALING.test(one));
      const unclear = variables.find(isUnclear);
      if (secret === undefined && unclear === undefined) return [];
      if (secret === undefined) {
        return {
          at,
          seen: `${unclear} in the log format ${name} may contain tokens`,
          why: 'It is a map of the request line or of another variable with the token.',
          fix: 'write $postern_request and $postern_referer in the format',
          verdict: 'question',
        };
      }
      const { server } = context as Location;
      const isInherited = http.block.includes(at);
      const line = new Directive(at.name, [file, 'postern', ...more], at);
      return {
        at,
        seen: `${at.words} applies to URLs of protected files${isInherited ? ` in ${server.titleAt}` : ''}`,
        why: `The format ${name} writes ${secret}, which contains every token in a URL.`,
        fix: `${isInherited ? `in ${server.titleAt}` : 'instead of this line'}: ${line.text}`,
      };
    }),
  );
}
