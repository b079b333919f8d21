import type { Finding, Rule } from '../finding.ts';
import { FRESH, missing, type Need, TELLS } from '../need.ts';
import { effective, inForce, type Location, title, turnedOn } from '../scope.ts';
import { isQuestion } from '../site.ts';

const NEEDS: readonly Need[] = [
  {
    line: 'internal;',
    why: 'Any client can ask the gate, and sees targets and subjects.',
    holds: (location) => inForce(location, 'internal') !== undefined,
  },
  ...TELLS,
  ...FRESH,
  {
    line: 'proxy_ignore_headers X-Accel-Redirect;',
    why: 'nginx obeys a header of this name within the subrequest, whatever the status: a denial with this header becomes an allow.',
    holds: (location) => ignores(location, 'x-accel-redirect'),
  },
  {
    line: 'proxy_ignore_headers without X-Accel-Expires;',
    why: 'The gate uses this header to say which decisions nginx may cache: never those for a token with max_uses.',
    holds: (location) =>
      turnedOn(location, 'proxy_cache') === undefined || !ignores(location, 'x-accel-expires'),
  },
  {
    line: 'proxy_cache_use_stale off;',
    why: 'While the gate is down, expired and revoked tokens still open files.',
    holds: (location) =>
      turnedOn(location, 'proxy_cache') === undefined ||
      turnedOn(location, 'proxy_cache_use_stale') === undefined,
  },
];

function ignores(location: Location, header: string): boolean {
  return effective(location, 'proxy_ignore_headers').some(({ args }) =>
    args.some((name) => name.toLowerCase() === header),
  );
}

/** What a decision depends on; one entry of each list is enough. */
const KEY = [
  ['$request_uri'],
  ['$request_method'],
  ['$server_name'],
  ['$http_authorization'],
  ['$cookie_postern', '$http_cookie'],
  ['$remote_addr', '$binary_remote_addr'],
];

/** The location of auth-request.conf that asks the gate, if it was edited. */
export const question: Rule = {
  id: 'question',
  find: ({ servers }) =>
    servers
      .flatMap(({ locations }) => locations.filter(isQuestion))
      .flatMap((location) => [...missing(location, NEEDS), ...cached(location)]),
};

function cached(location: Location): readonly Finding[] {
  const at = turnedOn(location, 'proxy_cache');
  if (at === undefined) return [];
  const key = inForce(location, 'proxy_cache_key')?.args[0] ?? '';
  const without = KEY.filter((ways) => !ways.some((name) => key.includes(name)));
  if (without.length === 0) return [];
  const names = without.map(([name]) => name).join(', ');
  return [
    {
      at,
      seen: `proxy_cache ${at.args[0]} is in force in ${title(location)} (${location.at.file}:${location.at.line}), with a key that lacks ${names}`,
      why: 'nginx sends the decision for one client to the next, and with it the file.',
      fix: 'proxy_cache off; in that location',
    },
  ];
}
