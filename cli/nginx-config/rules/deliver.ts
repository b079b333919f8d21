import type { Rule } from '../finding.ts';
import { missing, type Need } from '../need.ts';
import { refuses } from '../refuses.ts';
import { own } from '../scope.ts';
import { DELIVER } from '../site.ts';

const NEEDS: readonly Need[] = [
  {
    line: 'if ($postern_seen !~ "(^|[ :])204/|^/HIT$") { return 500; }',
    why: 'Any 2xx passes auth_request: a 200 of a stray server, with a target, opens.',
    holds: (location) =>
      ['200/', '206/', '204, 200/', '502, 206/', '/MISS', '/'].every((seen) =>
        refuses(location, '$postern_seen', seen),
      ),
  },
  {
    line: 'if ($postern_target !~ "^/[^/]") { return 500; }',
    why: 'Without a target nothing was decided.',
    holds: (location) =>
      ['', 'a', '//a'].every((target) => refuses(location, '$postern_target', target)),
  },
  {
    line: 'if ($postern_target ~ "//|/\\.\\.?(/|$)") { return 500; }',
    why: 'rewrite checks nothing: a target with /../ in it is served.',
    holds: (location) =>
      ['/a/../b', '/a/./b', '/a//b', '/a/..', '/..'].every((target) =>
        refuses(location, '$postern_target', target),
      ),
  },
  {
    line: 'rewrite ^ $postern_target?$postern_args? last;',
    why: 'Without the ? at its end the client’s query goes on to the internal location, and the token with it.',
    holds: (location) =>
      own(location, 'rewrite').every(({ args }) => args[1]?.endsWith('?') ?? false),
  },
];

/** The delivery in auth-request.conf as it was edited. */
export const deliver: Rule = {
  id: 'deliver',
  find: ({ servers }) =>
    servers
      .flatMap(({ locations }) => locations.filter(({ path }) => path === DELIVER))
      .flatMap((location) => missing(location, NEEDS)),
};
