import { behind, isForEverybody, isFrontOf, LOCAL } from './addresses.ts';
import type { Context, Directive, Http, Location } from './context.ts';
import { blocksOf, locationOf } from './variables.ts';

/** Whether the site itself checks each request: by a password, by the address, or by asking another server. */
export function isGuarded(context: Context, http: Http): boolean {
  const { server } = locationOf(context);
  const asks = context.turnedOn('auth_request')?.args[0];
  const isAsked =
    asks !== undefined && server.candidates(asks, true).every((one) => asksOther(one, http));
  // A variable can turn it off, or name another file.
  const wantsPassword =
    !/^off$|\$/.test(context.firstWord('auth_basic') ?? 'off') &&
    /^[^$]+$/.test(context.firstWord('auth_basic_user_file') ?? '');
  const checks = isAsked || context.turnedOn('auth_jwt') !== undefined || wantsPassword;
  if (context.firstWord('satisfy') !== 'any') return denies(context, http) || checks;
  const hasRules = context.effective('allow', 'deny').length > 0;
  return (hasRules ? denies(context, http) : checks) && (checks || asks === undefined);
}

/** Whether `deny` applies to clients. Behind a proxy on this machine, each of them has its address, or the one in a header. */
function denies(context: Context, http: Http): boolean {
  const { server } = locationOf(context);
  const fronts = http.blocks.filter((front) => isFrontOf(front, server, http));
  const trusted = context.effective('set_real_ip_from').map(({ args: [range = ''] }) => range);
  const header = (context.firstWord('real_ip_header') ?? 'X-Real-IP').toLowerCase();
  const sets = ({ words }: Directive) => words.toLowerCase().includes(` ${header} `);
  const isChosen = fronts.some((one) => !one.effective('proxy_set_header').some(sets));
  const isLocal = fronts.length > 0 || server.listens.every((one) => LOCAL.test(one));
  const isSpoofed = trusted.length > 0 && (isChosen || trusted.some(isForEverybody));
  // The first line that matches counts, and nginx allows an address that no line matches.
  const everybody = ({ name, args: [range = ''] }: Directive) =>
    range === 'all' ||
    (name === 'allow' &&
      (isForEverybody(range) || (isLocal && trusted.length === 0 && LOCAL.test(range))));
  // `allow` and `deny` replace each other's inherited lines.
  return !isSpoofed && context.effective('allow', 'deny').find(everybody)?.name === 'deny';
}

/** Whether another server answers an auth_request, or nginx denies it. Any other response of nginx itself can be a 200. */
function asksOther(location: Location, http: Http, depth = 0): boolean {
  const inner = blocksOf(location).flatMap(({ block }) => block);
  const allows = /^(empty_gif|stub_status|return (?![45])|rewrite (?!.* break$))/;
  const intercepts = location.firstWord('proxy_intercept_errors') === 'on';
  // An error_page without `=` keeps the status of the error.
  const forgives = ({ words }: Directive) =>
    /=(2| )/.test(words) && (intercepts || / 5/.test(words));
  return (
    location.isHandled &&
    depth < 4 &&
    behind(location, http).every((one) => asksOther(one, http, depth + 1)) &&
    !inner.some(({ words }) => allows.test(words)) &&
    !location.effective('error_page').some(forgives)
  );
}
