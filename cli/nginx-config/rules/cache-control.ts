import type { Rule } from '../finding.ts';
import { effective, title } from '../scope.ts';
import { isOf } from '../site.ts';

/** Files that a shared cache before nginx may keep for whoever comes next. */
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
        why: 'A shared cache before nginx keeps the file, and gives it to whoever comes next.',
        fix: 'include postern/headers.conf;',
      })),
};
