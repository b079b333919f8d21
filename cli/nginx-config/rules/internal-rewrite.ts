import type { Rule } from '../finding.ts';
import { own, title } from '../scope.ts';
import { inside } from './nested.ts';

/** Directives that change the URI in the internal location, or bypass its checks. */
export const internalRewrite: Rule = {
  id: 'internal-rewrite',
  find: ({ internals }) =>
    internals.flatMap((location) => [
      ...inside(location).map((at) => ({
        at,
        seen: `${at.name} ${at.args.join(' ')} inside ${title(location)}`,
        why: 'A nested block inherits neither try_files nor the check of the target: a folder answers with a redirect that shows the internal prefix, and other locations of the site can send any request here.',
        fix: 'remove it: the internal location must not contain a location, limit_except or an `if` that does not return',
      })),
      ...own(location, 'rewrite').map((at) => ({
        at,
        seen: `rewrite ${at.args.join(' ')} in ${title(location)}`,
        why: 'The URI is no longer the one that the gate allowed. Above the include every download is a 404; below it a 500 with alias, and another file with root.',
        fix: 'remove it: the mount maps the public prefix to the internal prefix',
      })),
    ]),
};
