import type { Rule } from '../finding.ts';
import { missing, type Need } from '../need.ts';
import { refuses } from '../refuses.ts';
import { inForce, type Location, own, turnedOn } from '../scope.ts';
import { QUESTION } from '../site.ts';

const NEEDS: readonly Need[] = [
  {
    line: 'internal;',
    why: 'Any client can request the files by their internal prefix.',
    holds: (location) => inForce(location, 'internal') !== undefined,
  },
  {
    line: 'set $postern_decided "…"; if ($postern_decided !~ "…") { return 404; }',
    why: '`internal` allows every internal redirect of the site: from an SSI page, a rewrite, an error_page, or an X-Accel-Redirect of another back end.',
    holds: comparesWithDecision,
  },
  {
    line: 'try_files $uri =404;',
    why: 'nginx answers a folder without its final slash with a redirect that shows this prefix.',
    holds: (location) =>
      own(location, 'proxy_pass').length > 0 ||
      own(location, 'try_files').some(({ args }) => args.at(-1) === '=404'),
  },
  {
    line: 'auth_request off;',
    why: 'nginx asks the gate a second time for the same request.',
    holds: (location) => turnedOn(location, 'auth_request')?.args[0] !== QUESTION,
  },
];

/** internal.conf, if it was edited or is not included. */
export const internal: Rule = {
  id: 'internal',
  find: ({ internals }) => internals.flatMap((location) => missing(location, NEEDS)),
};

/** What may come here without a decision for it: from a page, for another file, by a denial. */
const UNDECIDED: readonly Readonly<Record<string, string>>[] = [
  {},
  { postern_target: '/protected/b', upstream_status: '204' },
  { upstream_status: '403', upstream_http_x_accel_redirect: '/protected/a' },
];

function comparesWithDecision(location: Location): boolean {
  return own(location, 'set').some(
    ({ args: [variable = '', value = ''] }) =>
      value.includes('$uri') &&
      value.includes('$postern_target') &&
      UNDECIDED.every((values) =>
        refuses(location, variable, filled(value, { uri: '/protected/a', ...values })),
      ),
  );
}

function filled(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\w+)/g, (_, name: string) => values[name] ?? '');
}
