import { type Directive, named } from '../directive.ts';
import type { Rule } from '../finding.ts';
import { own } from '../scope.ts';

/** The default of nginx, and the usual limit of a service. */
const USUAL_CONNECTIONS = 512;
const USUAL_DESCRIPTORS = 1024;

/** Fewer are used up soon: a request and its subrequest to the gate need two, and some are kept open. */
const MIN_CONNECTIONS = 1024;

/** Too few connections or descriptors for a worker, which then fails every request. */
export const descriptors: Rule = {
  id: 'descriptors',
  find({ http }) {
    const { main } = http;
    const [events] = named(main, 'events');
    // Not a whole configuration.
    if (events === undefined) return [];
    const [connectionsLine] = named(events.block ?? [], 'worker_connections');
    const [limitLine] = named(main, 'worker_rlimit_nofile');
    const connections = numberOf(connectionsLine) ?? USUAL_CONNECTIONS;
    const limit = numberOf(limitLine) ?? USUAL_DESCRIPTORS;
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
  },
};

function numberOf(line: Directive | undefined): number | undefined {
  return line && Number(line.args[0]);
}
