import type { Finding, Rule } from '../finding.ts';
import { FRESH, missing, type Need, TELLS } from '../need.ts';
import { effective, inForce, type Location, title, turnedOn } from '../scope.ts';
import { isQuestion } from '../site.ts';

const NEEDS: readonly Need[] = [
  {
    line: 'internal;',
    why: 'Anybody can ask the gate, and is told targets and subjects.',
    holds: (location) => inForce(location, 'internal') !== undefined,
  },
  ...TELLS,
  ...FRESH,
  {
    line: 'proxy_ignore_headers X-Accel-Redirect;',
    why: 'A header of this name is obeyed within the subrequest, whatever the status: a denial that has it becomes a pass.',
    holds: (location) => ignores(location, 'x-accel-redirect'),
  },
  {
    line: 'proxy_ignore_headers without X-Accel-Expires;',
    why: 'The gate says by it what may be used again: a counted token never.',
    holds: (location) =>
      turnedOn(location, 'proxy_cache') === undefined || !ignores(location, 'x-accel-expires'),
  },
  {
    line: 'proxy_cache_use_stale off;',
    why: 'With the gate dead, expired and revoked tokens go on opening.',
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

/** What a decision rests on; any one of a list will do. */
const KEY = [
  ['$request_uri'],
  ['$request_method'],
  ['$server_name'],
  ['$http_authorization'],
  ['$cookie_postern', '$http_cookie'],
  ['$remote_addr', '$binary_remote_addr'],
];

/** The question in auth-request.conf as it was edited. */
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
      seen: `proxy_cache ${at.args[0]} holds in ${title(location)} (${location.at.file}:${location.at.line}), by a key without ${names}`,
      why: 'The answer to one is given to the next, and with it the file.',
      fix: 'proxy_cache off; in that location',
    },
  ];
}
