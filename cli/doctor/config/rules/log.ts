import type { Directive } from '../directive.ts';
import type { Finding, Rule } from '../finding.ts';
import { effective, own, type Scope } from '../scope.ts';
import type { Site } from '../site.ts';

/** Each contains what the client sent, and with it the token. */
const TELLING =
  /\$\{?(request|request_uri|uri|document_uri|args|query_string|arg_token|request_filename|http_referer|http_authorization|http_cookie|cookie_postern|sent_http_location|request_body)(?!\w)/;

const FIX = 'access_log /var/log/nginx/access.log postern;';

/** Access logs that contain tokens, in a server block with a gate. */
export const log: Rule = {
  id: 'log',
  find(site) {
    const formats = formatsOf(site);
    return site.servers.flatMap((server) => {
      // Denials end in named locations, which inherit from the server.
      const scopes = [
        server,
        ...site.gates.map(({ location }) => location),
        ...site.internals,
      ].filter((scope) => scope === server || ('server' in scope && scope.server === server));
      return [...new Set(scopes.flatMap((scope) => findIn(scope, formats)))];
    });
  },
};

function findIn(scope: Scope, formats: ReadonlyMap<string, string>): readonly Finding[] {
  const logs = effective(scope, 'access_log');
  if (logs.length === 0) {
    // A location without access_log inherits from the server, which is reported already.
    if (scope.at.name !== 'server') return [];
    const why = 'nginx then writes its default log, with the request line and every token in it.';
    return [{ at: scope.at, seen: `${scope.at.name} without an access_log`, why, fix: FIX }];
  }
  return logs.flatMap((at) => {
    const variable = tellingPart(at, formats);
    if (variable === undefined) return [];
    return [
      {
        at,
        seen: `access_log ${at.args.join(' ')} in a server block that serves protected files`,
        why: `The format ${formatOf(at)} writes ${variable}, which contains every token in a URL.`,
        fix: FIX,
      },
    ];
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

function formatsOf({ http }: Site): ReadonlyMap<string, string> {
  return new Map(
    own(http, 'log_format').map(({ args: [name = '', ...rest] }) => [name, rest.join('')]),
  );
}
