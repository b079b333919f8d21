import type { Rule } from '../finding.ts';
import { title } from '../scope.ts';
import { DELIVER, isOf, isQuestion } from '../site.ts';

/** auth-request.conf, without which a gate has nobody to ask. */
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
          why: 'The question to the gate, the delivery and the denials are its locations: without them each request ends in an error, or some other location answers in their place.',
          fix: 'include postern/auth-request.conf; in the server block',
        }));
    }),
};
