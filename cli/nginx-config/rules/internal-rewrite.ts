import type { Rule } from '../finding.ts';
import { own, title } from '../scope.ts';
import { inside } from './nested.ts';

/** What changes the URI in the internal location, or loses its locks. */
export const internalRewrite: Rule = {
  id: 'internal-rewrite',
  find: ({ internals }) =>
    internals.flatMap((location) => [
      ...inside(location).map((at) => ({
        at,
        seen: `${at.name} ${at.args.join(' ')} inside ${title(location)}`,
        why: 'What is nested inherits neither try_files nor the comparison with the decided target: folders answer with a redirect that shows the internal prefix, and the site itself may send anybody here.',
        fix: 'no location, `if` or limit_except in the internal location, unless the `if` returns',
      })),
      ...own(location, 'rewrite').map((at) => ({
        at,
        seen: `rewrite ${at.args.join(' ')} in ${title(location)}`,
        why: 'The URI is no longer the one that was decided: above the include every download is a 404, below it a 500 by alias, and another file by root.',
        fix: 'no rewrite here: the mount says which internal prefix stands for which public one',
      })),
    ]),
};
