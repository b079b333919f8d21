import type { Rule } from '../finding.ts';
import { FRESH, isOff, missing, type Need, TELLS } from '../need.ts';
import { effective, own } from '../scope.ts';

const NEEDS: readonly Need[] = [
  ...TELLS,
  ...FRESH,
  {
    line: 'proxy_cache off;',
    why: 'One denial is kept, and given to whoever comes next, with a good token or without.',
    holds: isOff('proxy_cache'),
  },
  {
    line: 'rewrite ^ /x-accel? break; proxy_pass http://postern;',
    why: 'A proxy_pass with a path replaces the prefix alone: /x-accelfile.txt arrives.',
    holds: (location) =>
      own(location, 'rewrite').some(({ args }) => args[1] === '/x-accel?' && args[2] === 'break'),
  },
  {
    line: 'proxy_ignore_headers X-Accel-Expires;',
    why: 'If X-Accel-Redirect is ignored, an empty answer is sent in place of the file.',
    holds: (location) =>
      !effective(location, 'proxy_ignore_headers').some(({ args }) =>
        args.some((name) => name.toLowerCase() === 'x-accel-redirect'),
      ),
  },
];

/** x-accel.conf as it was edited. */
export const xAccel: Rule = {
  id: 'x-accel',
  find: ({ gates }) =>
    gates
      .filter(({ way }) => way === 'X-Accel')
      .flatMap(({ location }) => missing(location, NEEDS)),
};
