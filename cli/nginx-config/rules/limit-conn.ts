import type { Directive } from '../directive.ts';
import type { Finding, Rule } from '../finding.ts';
import { effective, own, type Scope } from '../scope.ts';
import { DELIVER, isOf, isQuestion, type Site } from '../site.ts';

const ZONE = 'postern_connections';
const WHY =
  'nginx counts a request in one location only, and a limit_conn in a block replaces the inherited one: nginx silently drops the limit for a token.';

/** A limit_conn that disables the one of limit-conn.conf. */
export const limitConn: Rule = {
  id: 'limit-conn',
  find(site) {
    const isUsed = own(site.http, 'limit_conn').some(isOurs);
    if (!isUsed) return [];
    const before = onTheWay(site);
    const known = before.map(({ at }) => at);
    return [...before, ...atTheEnd(site).filter(({ at }) => !known.includes(at))];
  },
};

function onTheWay({ servers, gates }: Site): readonly Finding[] {
  const way = servers.flatMap((server): readonly Scope[] => [
    ...gates.filter((gate) => isOf(gate, server)).map(({ location }) => location),
    ...server.locations.filter((one) => isQuestion(one) || one.path === DELIVER),
  ]);
  return way
    .flatMap((scope) => effective(scope, 'limit_conn'))
    .filter((line) => !isOurs(line))
    .map((at) => ({
      at,
      seen: `limit_conn ${at.args.join(' ')} is in force on the way to the file`,
      why: WHY,
      fix: `limit_conn ${ZONE} 8; limit_conn ${at.args.join(' ')}; put both into the internal location, and remove this line above it`,
    }));
}

function atTheEnd({ internals }: Site): readonly Finding[] {
  return internals.flatMap((location) => {
    const lines = effective(location, 'limit_conn');
    const [at] = lines;
    if (at === undefined || lines.some(isOurs)) return [];
    const seen = `limit_conn ${at.args.join(' ')} replaces limit_conn ${ZONE}`;
    return [{ at, seen, why: WHY, fix: `limit_conn ${ZONE} 8; in the same block` }];
  });
}

function isOurs({ args }: Directive): boolean {
  return args[0] === ZONE;
}
