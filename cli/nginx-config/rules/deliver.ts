import type { Rule } from '../finding.ts';
import { missing, type Need } from '../need.ts';
import { refuses } from '../refuses.ts';
import { own } from '../scope.ts';
import { DELIVER } from '../site.ts';

const NEEDS: readonly Need[] = [
  {
    line: 'if ($postern_seen !~ "(^|[ :])204/|^/HIT$") { return 500; }',
    why: 'auth_request allows any 2xx: a 200 from a wrong server that names a target would open the file.',
    holds: (location) =>
      ['200/', '206/', '204, 200/', '502, 206/', '/MISS', '/'].every((seen) =>
        refuses(location, '$postern_seen', seen),
      ),
  },
  {
    line: 'if ($postern_target !~ "^/[^/]") { return 500; }',
    why: 'Without a target the gate has not decided anything.',
    holds: (location) =>
      ['', 'a', '//a'].every((target) => refuses(location, '$postern_target', target)),
  },
  {
    line: 'if ($postern_target ~ "//|/\\.\\.?(/|$)") { return 500; }',
    why: 'rewrite does not check the target: nginx would serve a target that contains /../.',
    holds: (location) =>
      ['/a/../b', '/a/./b', '/a//b', '/a/..', '/..'].every((target) =>
        refuses(location, '$postern_target', target),
      ),
  },
  {
    line: 'rewrite ^ $postern_target?$postern_args? last;',
    why: 'Without the final ? nginx passes the client’s query, and the token in it, to the internal location.',
    holds: (location) =>
      own(location, 'rewrite').every(({ args }) => args[1]?.endsWith('?') ?? false),
  },
];

/** The delivery location of auth-request.conf, if it was edited. */
export const deliver: Rule = {
  id: 'deliver',
  find: ({ servers }) =>
    servers
      .flatMap(({ locations }) => locations.filter(({ path }) => path === DELIVER))
      .flatMap((location) => missing(location, NEEDS)),
};
