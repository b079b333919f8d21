import type { Rule } from '../finding.ts';
import { own } from '../scope.ts';
import { DELIVER, QUESTION } from '../site.ts';

/** protect.conf, or its question, where every location inherits it. */
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
          why: 'Each location inherits the question and none that has files of its own inherits the delivery: the whole site wants a token, an internal location asks a second time, and what is served is not what was decided.',
          fix: 'location ^~ /download/ { include postern/protect.conf; }',
        },
      ];
    }),
};
