import { type Directive, named } from '../directive.ts';
import type { Finding, Rule } from '../finding.ts';
import { inForce, type Location, title } from '../scope.ts';
import type { Site } from '../site.ts';
import { asking, upstreamsOf } from '../upstream.ts';

/** Several gates, of which one that is down makes requests fail. */
export const failover: Rule = {
  id: 'failover',
  find: (site) => [...disabled(site), ...asking(site).flatMap(neverRetried)],
};

function disabled(site: Site): readonly Finding[] {
  return upstreamsOf(site).flatMap((upstream) => {
    const servers = named(upstream.block ?? [], 'server');
    if (servers.length < 2) return [];
    return servers.filter(isSoonDisabled).map((at) => ({
      at,
      seen: `server ${at.args.join(' ')} in upstream ${upstream.args[0]}, which has ${servers.length}`,
      why: 'By default nginx disables a gate for ten seconds after one time-out: a restart or a burst disables all of them, and every request gets 503.',
      fix: `server ${at.args[0]} max_fails=3 fail_timeout=1s;`,
    }));
  });
}

/** Not by max_fails=0: every request would wait for a gate that hangs. */
function isSoonDisabled({ args }: Directive): boolean {
  const has = (pattern: RegExp) => args.some((word) => pattern.test(word));
  if (has(/^(backup|down)$/)) return false;
  return !(has(/^max_fails=([2-9]|\d{2,})$/) && has(/^fail_timeout=/));
}

/** By nginx's defaults 60 seconds, and no limit. */
function neverRetried(location: Location): readonly Finding[] {
  const read = seconds(inForce(location, 'proxy_read_timeout')?.args[0] ?? '60s');
  const at = inForce(location, 'proxy_next_upstream_timeout');
  const retry = seconds(at?.args[0] ?? '0');
  if (at === undefined || !(retry > 0 && retry <= read)) return [];
  return [
    {
      at,
      seen: `proxy_next_upstream_timeout ${at.args[0]} in ${title(location)}, where proxy_read_timeout is ${read}s`,
      why: 'When nginx gives up a gate that hangs, it has no time left to ask another one.',
      fix: `proxy_next_upstream_timeout ${2 * read}s;`,
    },
  ];
}

/** Of nginx's time: 2, 2s, 500ms, 1m. Anything else is not compared. */
function seconds(text: string): number {
  const [, digits, unit = 's'] = /^(\d+)(ms|s|m)?$/.exec(text) ?? [];
  return Number(digits ?? Number.NaN) * ({ ms: 0.001, s: 1, m: 60 }[unit] ?? Number.NaN);
}
