import { type Directive, named } from '../directive.ts';
import type { Rule } from '../finding.ts';
import { effective, own, type Server, title } from '../scope.ts';
import { isOf, returns } from '../site.ts';

/** Tokens that cross a network unencrypted. */
export const plainHttp: Rule = {
  id: 'plain-http',
  find: ({ servers, gates }) =>
    servers.flatMap((server) => {
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
    }),
};

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
