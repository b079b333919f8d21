import type { Rule } from '../finding.ts';
import { FRESH, isOff, missing, type Need, TELLS } from '../need.ts';
import { effective, own } from '../scope.ts';

const NEEDS: readonly Need[] = [
  ...TELLS,
  ...FRESH,
  {
    line: 'proxy_cache off;',
    why: 'nginx caches a denial and sends it to other clients, even to those with a valid token.',
    holds: isOff('proxy_cache'),
  },
  {
    line: 'rewrite ^ /x-accel? break; proxy_pass http://postern;',
    why: 'A proxy_pass with a path replaces only the prefix: the gate receives /x-accelfile.txt.',
    holds: (location) =>
      own(location, 'rewrite').some(({ args }) => args[1] === '/x-accel?' && args[2] === 'break'),
  },
  {
    line: 'proxy_ignore_headers X-Accel-Expires;',
    why: 'If nginx ignores X-Accel-Redirect, it sends an empty response instead of the file.',
    holds: (location) =>
      !effective(location, 'proxy_ignore_headers').some(({ args }) =>
        args.some((name) => name.toLowerCase() === 'x-accel-redirect'),
      ),
  },
];

/** x-accel.conf, if it was edited. */
export const xAccel: Rule = {
  id: 'x-accel',
  find: ({ gates }) =>
    gates
      .filter(({ way }) => way === 'X-Accel')
      .flatMap(({ location }) => missing(location, NEEDS)),
};
