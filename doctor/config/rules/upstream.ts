import { addressOf } from '../../../common/config.ts';
import type { Listen } from '../../../service/address.ts';
import { isAt } from '../addresses.ts';
import type { Directive } from '../context.ts';
import { ofGate, type Rule, type SiteConfig, type Trap } from '../site.ts';

/** Requests that go to the wrong address, or fail under load. */
export const upstreamRules: Readonly<Record<string, Rule>> = {
  'gate-address': (site) => ofGate(site).flatMap((upstream) => wrongAddress(upstream, site)),
  descriptors,
};

/** An upstream that asks the API, or has no server at the address of the gate. */
function wrongAddress(upstream: Directive, site: SiteConfig): Trap | readonly Trap[] {
  const { listen, apiListen } = site;
  const serverAt = (at: Listen | undefined) =>
    at && upstream.own('server').find(({ args }) => isAt(args[0] ?? '', at));
  const api = serverAt(apiListen);
  if (serverAt(listen) || !(listen || api)) return [];
  const name = `upstream ${upstream.args[0]}`;
  return {
    at: api ?? upstream,
    seen: api
      ? `${api.words} in ${name} is at POSTERN_API_LISTEN`
      : `${name} has no server at POSTERN_LISTEN`,
    why: 'nginx does not reach this gate: each download fails, or another server decides.',
    fix: `${api ? 'instead of this line' : `in ${upstream.titleAt}`}: server ${listen ? addressOf(listen) : 'unix:/run/postern/gate.sock'};`,
  };
}

/** A request and its subrequest to the gate use two connections, and some stay open. */
const MIN_CONNECTIONS = 1024;

/** Too few connections or descriptors for a worker, which then fails every request. */
function descriptors({ http }: SiteConfig): readonly Trap[] {
  const [events] = http.main.own('events');
  // This is not a whole configuration.
  if (events === undefined) return [];
  const [connectionsLine] = events.own('worker_connections');
  const [limitLine] = http.main.own('worker_rlimit_nofile');
  // The default of nginx, and the usual limit of a service.
  const connections = Number(connectionsLine?.args[0] ?? 512);
  const limit = Number(limitLine?.args[0] ?? 1024);
  // A connection to a client, the file that it gets and, with cache.conf, the decision on it.
  const zones = http.map('$postern_decisions')?.block?.flatMap(({ args }) => args) ?? [];
  const each = zones.some((zone) => zone !== '') ? 3 : 2;
  if (connections >= MIN_CONNECTIONS && limit >= each * connections) return [];
  const enough = Math.max(connections, 4 * MIN_CONNECTIONS);
  return [
    {
      at: connectionsLine ?? events,
      seen: `worker_connections ${connections}, and ${limit} files for each worker`,
      why: `A request uses two connections while nginx asks the gate, and a download uses ${each} descriptors. A worker without free connections or descriptors fails every request.`,
      fix: `worker_rlimit_nofile ${Math.max(limit, 4 * enough)}; events { worker_connections ${enough}; }`,
    },
  ];
}
