import type { Rule } from '../finding.ts';
import { effective, title } from '../scope.ts';
import { isOf } from '../site.ts';

/** Files that a shared cache in front of nginx may store. */
export const cacheControl: Rule = {
  id: 'cache-control',
  find: ({ internals, gates }) =>
    internals
      // By X-Accel the service sends it.
      .filter(({ server }) =>
        gates.some((gate) => isOf(gate, server) && gate.way === 'auth_request'),
      )
      .filter(
        (location) =>
          !effective(location, 'add_header').some(
            ({ args }) =>
              args[0]?.toLowerCase() === 'cache-control' &&
              /\$postern_cache_control|no-store|private/.test(args[1] ?? ''),
          ),
      )
      .map((location) => ({
        at: location.at,
        seen: `${title(location)} sends no Cache-Control: private`,
        why: 'A shared cache in front of nginx can store the file and send it to other clients without a token.',
        fix: 'include postern/headers.conf;',
      })),
};
