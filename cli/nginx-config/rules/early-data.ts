import { named } from '../directive.ts';
import type { Rule } from '../finding.ts';
import { type Scope, turnedOn } from '../scope.ts';
import { isOf, returns } from '../site.ts';

/** TLS early data, which can be sent a second time by whoever saw it. */
export const earlyData: Rule = {
  id: 'early-data',
  find: ({ servers, gates }) =>
    servers.flatMap((server) => {
      const at = turnedOn(server, 'ssl_early_data');
      const open = gates.filter((gate) => isOf(gate, server) && !refuses(gate.location));
      if (at === undefined || open.length === 0 || refuses(server)) return [];
      return [
        {
          at,
          seen: 'ssl_early_data on, in a server block that hands out files',
          why: 'A request in early data can be replayed: whoever recorded it takes a use of a counted token, or another download.',
          fix: 'ssl_early_data off;',
        },
      ];
    }),
};

function refuses({ block }: Pick<Scope, 'block'>): boolean {
  return named(block, 'if').some(
    ({ args, block: body }) =>
      args.some((word) => word.includes('$ssl_early_data')) && returns({ block: body ?? [] }),
  );
}
