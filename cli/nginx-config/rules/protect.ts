import type { Rule } from '../finding.ts';
import { has, missing, type Need } from '../need.ts';
import { inForce } from '../scope.ts';
import { DELIVER, QUESTION } from '../site.ts';

const NEEDS: readonly Need[] = [
  {
    line: `auth_request ${QUESTION};`,
    why: 'nginx does not ask the gate.',
    holds: (location) => inForce(location, 'auth_request')?.args[0] === QUESTION,
  },
  {
    line: `try_files "" ${DELIVER};`,
    why: 'After the decision nginx serves a file under the public path instead of the target that the gate named.',
    holds: has('try_files', '', DELIVER),
  },
  {
    line: 'satisfy all;',
    why: 'With `satisfy any` an allowed address or a password replaces the token.',
    holds: (location) => inForce(location, 'satisfy')?.args[0] !== 'any',
  },
];

/** protect.conf, if it was edited. */
export const protect: Rule = {
  id: 'protect',
  find: ({ gates }) =>
    gates
      .filter(({ way }) => way === 'auth_request')
      .flatMap(({ location }) => missing(location, NEEDS)),
};
