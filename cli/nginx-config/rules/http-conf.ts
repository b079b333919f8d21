import type { Rule } from '../finding.ts';
import { effective, own, title } from '../scope.ts';

const POLICY = '$postern_content_security_policy';

/** headers.conf without the map in http.conf, which has the policy that it sends. */
export const httpConf: Rule = {
  id: 'http-conf',
  find: ({ http, internals }) =>
    own(http, 'map').some(({ args }) => args[1] === POLICY)
      ? []
      : internals
          .filter((location) => own(location, 'set').every(({ args }) => args[0] !== POLICY))
          .flatMap((location) =>
            effective(location, 'add_header')
              .filter(({ args }) => args[1] === POLICY)
              .map((at) => ({
                at,
                seen: `${title(location)} sends no Content-Security-Policy: the http block has no map for ${POLICY}`,
                why: 'A page, a drawing or a script that somebody uploaded is opened with the rights of your site.',
                fix: 'include postern/http.conf; in the http block',
              })),
          ),
};
