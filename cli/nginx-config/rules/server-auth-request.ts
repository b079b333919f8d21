import type { Rule } from '../finding.ts';
import { own } from '../scope.ts';
import { DELIVER, QUESTION } from '../site.ts';

/** protect.conf, or its auth_request, in a block from which every location inherits it. */
export const serverAuthRequest: Rule = {
  id: 'server-auth-request',
  find: ({ http }) =>
    [http, ...http.servers].flatMap((scope) => {
      const lines = [...own(scope, 'auth_request'), ...own(scope, 'try_files')];
      const at = lines.find(({ args }) => args[0] === QUESTION || args.at(-1) === DELIVER);
      if (at === undefined) return [];
      return [
        {
          at,
          seen: `${at.name} ${at.args.map((word) => word || '""').join(' ')} in the ${scope.at.name} block`,
          why: 'Every location inherits auth_request, but a location with its own try_files does not inherit the delivery: the whole site requires a token, internal locations ask a second time, and nginx may serve another file than the one that the gate allowed.',
          fix: 'location ^~ /download/ { include postern/protect.conf; }',
        },
      ];
    }),
};
