import { inForce, type Location, own, title } from '../context.ts';
import { type Directive, named, wordsOf } from '../directive.ts';
import type { SiteConfig } from '../site.ts';
import type { Trap } from '../trap.ts';
import { keepsConnections } from '../version.ts';

/** The locations whose requests go to a gate. */
function asking({ questions, gates }: SiteConfig): readonly Location[] {
  const passing = gates.filter(({ mode }) => mode === 'X-Accel').map(({ location }) => location);
  return [...questions, ...passing];
}

function upstreamsOf(site: SiteConfig): readonly Directive[] {
  const urls = asking(site).flatMap((location) => own(location, 'proxy_pass'));
  const hosts = new Set(urls.map(({ args }) => /^https?:\/\/([^/:]+)/.exec(args[0] ?? '')?.[1]));
  return own(site.http, 'upstream').filter(({ args }) => hosts.has(args[0]));
}

/** An upstream of the gate that opens a connection for each request. */
export function keepalive(site: SiteConfig): readonly Trap[] {
  if (keepsConnections(site.version)) return [];
  return upstreamsOf(site)
    .filter(({ block = [] }) => named(block, 'keepalive').length === 0)
    .map((at) => ({
      at,
      seen: `upstream ${at.args[0]} without keepalive`,
      why: 'nginx opens a connection to the gate for each request, and runs out of ports under load.',
      fix: 'keepalive 256;',
    }));
}

/** Several gates, if requests fail when one of them is down. */
export function failover(site: SiteConfig): readonly Trap[] {
  return [...upstreamsOf(site).flatMap(disabled), ...asking(site).flatMap(neverRetried)];
}

function disabled({ args: [name], block = [] }: Directive): readonly Trap[] {
  const servers = named(block, 'server');
  if (servers.length < 2) return [];
  return servers.filter(isSoonDisabled).map((at) => ({
    at,
    seen: `${wordsOf(at)} in upstream ${name}, which has ${servers.length}`,
    why: 'By default nginx disables a gate for ten seconds after one time-out: a restart or a burst disables all of them, and every request gets 503.',
    fix: `server ${at.args[0]} max_fails=3 fail_timeout=1s;`,
  }));
}

/** Not by max_fails=0: every request would wait for a gate that hangs. */
function isSoonDisabled({ args }: Directive): boolean {
  const has = (pattern: RegExp) => args.some((word) => pattern.test(word));
  if (has(/^(backup|down)$/)) return false;
  return !(has(/^max_fails=([2-9]|\d{2,})$/) && has(/^fail_timeout=/));
}

/** The defaults of nginx are 60 seconds, and no limit. */
function neverRetried(location: Location): Trap | readonly Trap[] {
  const read = seconds(inForce(location, 'proxy_read_timeout')?.args[0] ?? '60s');
  const at = inForce(location, 'proxy_next_upstream_timeout');
  const retry = seconds(at?.args[0] ?? '0');
  if (at === undefined || !(retry > 0 && retry <= read)) return [];
  return {
    at,
    seen: `proxy_next_upstream_timeout ${at.args[0]} in ${title(location)}, where proxy_read_timeout is ${read}s`,
    why: 'When nginx gives up a gate that hangs, it has no time left to ask another one.',
    fix: `proxy_next_upstream_timeout ${2 * read}s;`,
  };
}

/** A time of nginx: 2, 2s, 500ms, 1m. NaN for any other value, which is not compared. */
function seconds(text: string): number {
  const [, digits, unit = 's'] = /^(\d+)(ms|s|m)?$/.exec(text) ?? [];
  return Number(digits ?? Number.NaN) * ({ ms: 0.001, s: 1, m: 60 }[unit] ?? Number.NaN);
}

/** The default of nginx, and the usual limit of a service. */
const DEFAULT_CONNECTIONS = 512;
const DEFAULT_DESCRIPTORS = 1024;

/** A request and its subrequest to the gate use two connections, and some stay open. */
const MIN_CONNECTIONS = 1024;

/** Too few connections or descriptors for a worker, which then fails every request. */
export function descriptors({ http }: SiteConfig): readonly Trap[] {
  const [events] = named(http.main, 'events');
  // Not a whole configuration.
  if (events === undefined) return [];
  const [connectionsLine] = named(events.block ?? [], 'worker_connections');
  const [limitLine] = named(http.main, 'worker_rlimit_nofile');
  const connections = Number(connectionsLine?.args[0] ?? DEFAULT_CONNECTIONS);
  const limit = Number(limitLine?.args[0] ?? DEFAULT_DESCRIPTORS);
  // A connection to a client, the file that it gets and, with cache.conf, the decision on it.
  const isCached = own(http, 'map').some(({ args }) => args[1] === '$postern_decisions');
  const each = isCached ? 3 : 2;
  if (connections >= MIN_CONNECTIONS && limit >= each * connections) return [];
  const limited = limitLine ? `worker_rlimit_nofile ${limit}` : 'no worker_rlimit_nofile';
  return [
    {
      at: connectionsLine ?? events,
      seen: `worker_connections ${connections}${connectionsLine ? '' : ', the default'}, and ${limited}`,
      why: `A request uses two connections while nginx asks the gate, and a download uses ${each} descriptors. A worker without free connections or descriptors fails every request.`,
      fix: 'worker_rlimit_nofile 16384; events { worker_connections 4096; }',
    },
  ];
}
