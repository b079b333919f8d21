import {
  type Finding,
  FRESH,
  has,
  isOff,
  type Requirement,
  type Rule,
  TELLS,
  unmetRequirements,
} from '../finding.ts';
import { effective, inForce, type Location, own, title, turnedOn } from '../scope.ts';
import { DELIVER, isOf, isQuestion, QUESTION } from '../site.ts';

const PROTECT_REQUIREMENTS: readonly Requirement[] = [
  {
    line: `auth_request ${QUESTION};`,
    why: 'nginx does not ask the gate.',
    holds: (location) => inForce(location, 'auth_request')?.args[0] === QUESTION,
  },
  {
    line: `try_files "" ${DELIVER};`,
    why: 'After the decision nginx serves a file under the public path instead of the target that the gate named.',
    holds: has('try_files', '', DELIVER),
  },
  {
    line: 'satisfy all;',
    why: 'With `satisfy any` an allowed address or a password replaces the token.',
    holds: (location) => inForce(location, 'satisfy')?.args[0] !== 'any',
  },
];

/** protect.conf, if it was edited. */
export const protect: Rule = {
  id: 'protect',
  find: ({ gates }) =>
    gates
      .filter(({ way }) => way === 'auth_request')
      .flatMap(({ location }) => unmetRequirements(location, PROTECT_REQUIREMENTS)),
};

const X_ACCEL_REQUIREMENTS: readonly Requirement[] = [
  ...TELLS,
  ...FRESH,
  {
    line: 'proxy_cache off;',
    why: 'nginx caches a denial and sends it to other clients, even to those with a valid token.',
    holds: isOff('proxy_cache'),
  },
  {
    line: 'rewrite ^ /x-accel? break; proxy_pass http://postern;',
    why: 'A proxy_pass with a path replaces only the prefix: the gate receives /x-accelfile.txt.',
    holds: (location) =>
      own(location, 'rewrite').some(({ args }) => args[1] === '/x-accel?' && args[2] === 'break'),
  },
  {
    line: 'proxy_ignore_headers X-Accel-Expires;',
    why: 'If nginx ignores X-Accel-Redirect, it sends an empty response instead of the file.',
    holds: (location) =>
      !effective(location, 'proxy_ignore_headers').some(({ args }) =>
        args.some((name) => name.toLowerCase() === 'x-accel-redirect'),
      ),
  },
];

/** x-accel.conf, if it was edited. */
export const xAccel: Rule = {
  id: 'x-accel',
  find: ({ gates }) =>
    gates
      .filter(({ way }) => way === 'X-Accel')
      .flatMap(({ location }) => unmetRequirements(location, X_ACCEL_REQUIREMENTS)),
};

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

const REQUEST_REQUIREMENTS: readonly Requirement[] = [
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
      .flatMap((location) => [
        ...unmetRequirements(location, REQUEST_REQUIREMENTS),
        ...cached(location),
      ]),
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
