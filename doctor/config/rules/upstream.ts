import { effective, firstWord, has, inForce, type Location, own, title } from '../context.ts';
import { type Directive, named, wordsOf } from '../directive.ts';
import { DELIVERY, type SiteConfig } from '../site.ts';
import { type Rule, rule, type Trap } from '../trap.ts';
import { keepsConnections } from '../version.ts';

/** Requests that fail under load, or while a gate is down; limits that do not work. */
export const upstreamRules: Readonly<Record<string, Rule>> = {
  'limit-conn': (site) => {
    if (!own(site.http, 'limit_conn').some(isOurs)) return [];
    const before = beforeInternal(site);
    const known = before.map(({ at }) => at);
    return [...before, ...inInternal(site).filter(({ at }) => !known.includes(at))];
  },
  keepalive: rule({
    why: 'nginx opens a connection to the gate for each request, and runs out of ports under load.',
    fix: 'keepalive 256;',
    find: (site) =>
      upstreamsOf(site)
        .filter((upstream) => !has(upstream, 'keepalive') && !keepsConnections(site.version))
        .map((at) => ({ at, seen: `upstream ${at.args[0]} without keepalive` })),
  }),
  failover: (site) => [
    ...upstreamsOf(site).flatMap(disabled),
    ...proxies(site).flatMap(neverRetried),
  ],
  descriptors,
};

const ZONE = 'postern_connections';
const LIMIT_WHY =
  'nginx counts a request in one location only, and a limit_conn in a block replaces the inherited one: nginx silently drops the limit for a token.';

function beforeInternal({ servers, gates, questions }: SiteConfig): readonly Trap[] {
  const passed = servers.flatMap((server) => [
    ...gates.filter((gate) => gate.server === server),
    ...server.locations.filter((one) => questions.includes(one) || one.path === DELIVERY),
  ]);
  return passed
    .flatMap((context) => effective(context, 'limit_conn'))
    .filter((line) => !isOurs(line))
    .map((at) => ({
      at,
      seen: `${wordsOf(at)} applies before the internal location`,
      why: LIMIT_WHY,
      fix: `limit_conn ${ZONE} 8; ${wordsOf(at)}; put both into the internal location, and remove this line above it`,
    }));
}

function inInternal({ internals }: SiteConfig): readonly Trap[] {
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

/** The locations whose requests go to a gate. */
function proxies({ questions, passing }: SiteConfig): readonly Location[] {
  return [...questions, ...passing];
}

function upstreamsOf(site: SiteConfig): readonly Directive[] {
  const urls = proxies(site).flatMap((location) => own(location, 'proxy_pass'));
  const hosts = urls.map(({ args }) => /^https?:\/\/([^/:]+)/.exec(args[0] ?? '')?.[1]);
  return own(site.http, 'upstream').filter(({ args }) => hosts.includes(args[0]));
}

/** In an upstream with several servers, those that nginx disables after one time-out. */
function disabled(upstream: Directive): readonly Trap[] {
  const servers = own(upstream, 'server');
  if (servers.length < 2) return [];
  return servers.filter(isSoonDisabled).map((at) => ({
    at,
    seen: `${wordsOf(at)} in upstream ${upstream.args[0]}, which has ${servers.length}`,
    why: 'By default nginx disables a gate for ten seconds after one time-out: a restart or a burst disables all of them, and every request gets 503.',
    fix: `server ${at.args[0]} max_fails=3 fail_timeout=1s;`,
  }));
}

/** max_fails=0 is no fix: every request would wait for a gate that hangs. */
function isSoonDisabled({ args }: Directive): boolean {
  const has = (pattern: RegExp) => args.some((word) => pattern.test(word));
  if (has(/^(backup|down)$/)) return false;
  return !(has(/^max_fails=([2-9]|\d{2,})$/) && has(/^fail_timeout=/));
}

/** The defaults of nginx are 60 seconds, and no limit. */
function neverRetried(location: Location): readonly Trap[] {
  const read = seconds(firstWord(location, 'proxy_read_timeout') ?? '60s');
  const at = inForce(location, 'proxy_next_upstream_timeout');
  const retry = seconds(at?.args[0] ?? '0');
  if (at === undefined || !(retry > 0 && retry <= read)) return [];
  const seen = `proxy_next_upstream_timeout ${at.args[0]} in ${title(location)}, where proxy_read_timeout is ${read}s`;
  const why =
    'When nginx stops waiting for a gate that hangs, it has no time left to ask another one.';
  return [{ at, seen, why, fix: `proxy_next_upstream_timeout ${2 * read}s;` }];
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
function descriptors({ http }: SiteConfig): readonly Trap[] {
  const [events] = named(http.main, 'events');
  // This is not a whole configuration.
  if (events === undefined) return [];
  const [connectionsLine] = own(events, 'worker_connections');
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
