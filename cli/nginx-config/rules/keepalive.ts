import { named } from '../directive.ts';
import type { Rule } from '../finding.ts';
import { upstreamsOf } from '../upstream.ts';

/** An upstream of the gate that opens a connection for each request. */
export const keepalive: Rule = {
  id: 'keepalive',
  find: (site) =>
    upstreamsOf(site)
      .filter(({ block = [] }) => named(block, 'keepalive').length === 0)
      .map((at) => ({
        at,
        seen: `upstream ${at.args[0]} without keepalive`,
        why: 'nginx opens a connection to the gate for each request, and runs out of ports under load.',
        fix: 'keepalive 256;',
      })),
};
