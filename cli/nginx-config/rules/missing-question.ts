import type { Rule } from '../finding.ts';
import { title } from '../scope.ts';
import { DELIVER, isOf, isQuestion } from '../site.ts';

/** A gate without auth-request.conf. */
export const missingQuestion: Rule = {
  id: 'missing-auth-request',
  find: ({ servers, gates }) =>
    servers.flatMap((server) => {
      const has = (test: (location: (typeof server.locations)[number]) => boolean) =>
        server.locations.some(test);
      const asks = has(isQuestion);
      const delivers =
        has(({ path }) => path === DELIVER) && has(({ path }) => path === '@postern_503');
      if (asks && delivers) return [];
      return gates
        .filter((gate) => isOf(gate, server))
        .map(({ location }) => ({
          at: location.at,
          seen: `${title(location)} in a server block without auth-request.conf`,
          why: 'auth-request.conf has the locations that ask the gate, deliver files and send denials: without them each request ends in an error, or another location answers.',
          fix: 'include postern/auth-request.conf; in the server block',
        }));
    }),
};
