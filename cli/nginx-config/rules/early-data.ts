import { named } from '../directive.ts';
import type { Rule } from '../finding.ts';
import { type Scope, turnedOn } from '../scope.ts';
import { isOf, returns } from '../site.ts';

/** TLS early data, which an attacker on the network can replay. */
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
          seen: 'ssl_early_data on in a server block that serves protected files',
          why: 'An attacker who recorded a request in early data can replay it: it takes a use of a token with max_uses, or downloads the file again.',
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
