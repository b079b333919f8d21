import { isForEverybody, isFrontOf, targetOf } from '../addresses.ts';
import type { Directive, Http, Location } from '../context.ts';
import type { Rule, Trap } from '../site.ts';
import { othersOf } from './hidden-ways.ts';

export const frontRules: Readonly<Record<string, Rule>> = {
  'cache-in-front': (site) =>
    othersOf(site).flatMap((front): Trap | readonly Trap[] => {
      const at = storing(front);
      const behind = site.gates.find((gate) => isBehind(gate, front, site.http, true));
      const isUnclear = front.firstWord('proxy_pass')?.includes('$');
      if (at === undefined || !(behind || isUnclear)) return [];
      const isOwn = front.block.includes(at);
      return {
        at,
        seen: `${at.words} in ${front.titleAt}, which proxies to ${behind?.titleAt ?? 'an address with a variable'}`,
        why: 'nginx stores each file that it passes on, and sends it to clients without a token: the cache ignores the Cache-Control of the file. Empty the cache afterwards.',
        fix: `${isOwn ? 'instead of this line' : `in ${front.titleAt}`}: ${at.name} off;`,
        ...(behind === undefined && { verdict: 'question' as const }),
      };
    }),
  'real-ip': ({ publicServers, publics }) =>
    [...publicServers, ...publics]
      .flatMap((context) => context.effective('set_real_ip_from'))
      .filter(({ args: [range = ''] }) => isForEverybody(range))
      .map((at) => ({
        at,
        seen: `${at.words} for protected files`,
        why: 'Each client can choose its own address: a token with ip opens for everybody, and a single-use token for more than one client.',
        fix: 'instead of this line: set_real_ip_from 192.0.2.10; (the address of the proxy in front of nginx, one line for each)',
      })),
};

/** The line that makes nginx store private responses here, if there is one. */
function storing(front: Location): Directive | undefined {
  const ignored = front.effective('proxy_ignore_headers').flatMap(({ args }) => args);
  const ignores = ignored.some((name) => name.toLowerCase() === 'cache-control');
  const isCached = ignores && front.firstWord('proxy_no_cache') !== '1';
  return (isCached ? front.turnedOn('proxy_cache') : undefined) ?? front.turnedOn('proxy_store');
}

/** Whether the requests for a public location can come through a location that proxies. */
export function isBehind(gate: Location, front: Location, http: Http, anyHost = false): boolean {
  const { uri } = targetOf(front.firstWord('proxy_pass') ?? '', http);
  const isPassed =
    front === front.server ||
    front.modifier.startsWith('~') ||
    front.server.prefixMatch(gate.path) === front;
  return (
    (isPassed || uri !== '' || front.modifier === '@') &&
    isFrontOf(front, gate.server, http, anyHost)
  );
}
