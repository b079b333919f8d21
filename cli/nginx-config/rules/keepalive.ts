import { named } from '../directive.ts';
import type { Rule } from '../finding.ts';
import { upstreamsOf } from '../upstream.ts';

/** An upstream of the gate's that opens a connection for each request. */
export const keepalive: Rule = {
  id: 'keepalive',
  find: (site) =>
    upstreamsOf(site)
      .filter(({ block = [] }) => named(block, 'keepalive').length === 0)
      .map((at) => ({
        at,
        seen: `upstream ${at.args[0]} without keepalive`,
        why: 'Each request then costs a connection to the gate, and under load nginx runs out of ports.',
        mend: 'keepalive 256;',
      })),
};
