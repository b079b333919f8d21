import { readSnippet } from '../../../common/package.ts';
import {
  effective,
  firstWord,
  type Http,
  type Location,
  own,
  refuses,
  type Server,
  title,
  titleAt,
  turnedOn,
} from '../context.ts';
import { type Directive, named } from '../directive.ts';
import { parse } from '../parse.ts';
import {
  AUTH_REQUEST,
  CONFIRM,
  DELIVERY,
  isExact,
  locationsAt,
  PAGE,
  type SiteConfig,
} from '../site.ts';
import { type Requirements, type Rule, rule, type Trap, unmet } from '../trap.ts';

/** Headers that nginx sends to the gate. A client that could set one of them could get any file. */
const GATE_HEADERS: Requirements = {
  'proxy_pass_request_headers off;': 'A client can send headers that only nginx may send.',
  'proxy_set_header X-Original-URI $request_uri;':
    'The gate must decide on the unchanged request line: $uri is decoded, and a line break in it becomes a second header.',
  'proxy_set_header X-Original-Method $request_method;':
    'The gate allows only GET and HEAD, and HEAD does not count as a use.',
  'proxy_set_header Postern-Site $server_name;':
    '$server_name names the site; the client chooses $host.',
  'proxy_set_header X-Real-IP $remote_addr;':
    'The gate uses it to check `ip` and to recognize requesters.',
};

const NOT_STORED: Requirements = {
  'proxy_store off;': 'nginx stores a response as a file that it then sends to every client.',
};

const PROTECT: Requirements = {
  [`auth_request ${AUTH_REQUEST};`]: {
    why: 'nginx does not ask the gate.',
    isMet: (location) => firstWord(location, 'auth_request') === AUTH_REQUEST,
  },
  [`try_files "" ${DELIVERY};`]: {
    why: 'After the decision nginx serves a file under the public path instead of the target that the gate named.',
    isMet: (location) =>
      own(location, 'try_files').some(({ args }) => args.includes('') && args.includes(DELIVERY)),
  },
  'satisfy all;': {
    why: 'With `satisfy any` an allowed address or a password replaces the token.',
    isMet: (location) => firstWord(location, 'satisfy') !== 'any',
  },
};

const X_ACCEL: Requirements = {
  ...GATE_HEADERS,
  ...NOT_STORED,
  'proxy_cache off;':
    'nginx caches a denial and sends it to other clients, even to those with a valid token.',
  'rewrite ^ /x-accel? break; proxy_pass http://postern;': {
    why: 'A proxy_pass with a path replaces only the prefix: the gate receives /x-accelfile.txt.',
    isMet: (location) =>
      own(location, 'rewrite').some(({ args }) => args[1] === '/x-accel?' && args[2] === 'break'),
  },
  'proxy_ignore_headers X-Accel-Expires;': {
    why: 'If nginx ignores X-Accel-Redirect, it sends an empty response instead of the file.',
    isMet: (location) => !ignores(location, 'x-accel-redirect'),
  },
};

/** For the two locations of auth-request.conf that ask the gate. */
const ASKING: Requirements = {
  'internal;': 'Any client can send requests to the gate, and sees targets and subjects.',
  ...GATE_HEADERS,
  ...NOT_STORED,
  'proxy_ignore_headers X-Accel-Redirect;': {
    why: 'nginx obeys a header with this name for any status: a denial with this header becomes an allow.',
    isMet: (location) => ignores(location, 'x-accel-redirect'),
  },
};

const OTHER_SITE = 'A page of another site can confirm a link for a user.';
const CONFIRMATION: Requirements = {
  ...ASKING,
  'proxy_set_header Sec-Fetch-Site $http_sec_fetch_site;': OTHER_SITE,
  'proxy_set_header Origin $http_origin;': OTHER_SITE,
  'proxy_set_header Postern-Host $host:$server_port,$http_host;': OTHER_SITE,
};

const QUESTION: Requirements = {
  ...ASKING,
  'proxy_intercept_errors off;': 'An error_page of the site can replace a denial.',
  'proxy_ignore_headers without X-Accel-Expires;': {
    why: 'The gate uses this header to say which decisions nginx may cache: never those for a token with max_uses.',
    isMet: (location) =>
      turnedOn(location, 'proxy_cache') === undefined || !ignores(location, 'x-accel-expires'),
  },
  'proxy_cache_use_stale off;': {
    why: 'While the gate is down, expired and revoked tokens still open files.',
    isMet: (location) =>
      turnedOn(location, 'proxy_cache') === undefined ||
      turnedOn(location, 'proxy_cache_use_stale') === undefined,
  },
};

const DELIVER: Requirements = {
  'if ($postern_answer !~ "^…204/…") { return 500; }': {
    why: 'auth_request allows any 2xx: a 200 from a wrong server that names a target would open the file.',
    isMet: refusesEach(
      ...['200/', '206/', '204, 200/', '502, 206/', '/MISS', '/'].map((status) => `${status} /a`),
    ),
  },
  'if ($postern_answer !~ "… (?<postern_target>…)$") { return 500; }': {
    why: 'rewrite does not check the target: nginx would serve a target that contains /../. Without a target the gate has not decided anything.',
    isMet: refusesEach(
      ...['', 'a', '//a', '/a/../b', '/a/./b', '/a//b', '/a/..', '/..'].map((to) => `204/ ${to}`),
    ),
  },
  'rewrite ^ $postern_target?$postern_args? last;': {
    why: 'Without the final ? nginx passes the client’s query, and the token in it, to the internal location.',
    isMet: (location) =>
      own(location, 'rewrite').every(({ args }) => args[1]?.endsWith('?') ?? false),
  },
};

/** Snippets that ask the gate: lines that were changed or are missing. */
export const gateRules: Readonly<Record<string, Rule>> = {
  protect: ({ asking }) => unmet(asking, PROTECT, 'protect.conf'),
  'x-accel': ({ passing }) => unmet(passing, X_ACCEL, 'x-accel.conf'),
  'missing-auth-request': rule({
    why: 'auth-request.conf has the locations that ask the gate, deliver files and send denials: without them each request ends in an error, or another location answers.',
    fix: 'include postern/auth-request.conf; in the server block',
    find: ({ gates }) =>
      gates
        .filter(({ server }) => !hasAuthRequest(server))
        .map((gate) => ({
          at: gate.at,
          seen: `${title(gate)} in a server block without auth-request.conf`,
        })),
  }),
  question: (site) => [
    ...site.questions.flatMap((question) => [
      ...unmet([question], QUESTION, 'auth-request.conf'),
      ...cached(question, site.http),
    ]),
    ...unmet(locationsAt(site.servers, CONFIRM).filter(isExact), CONFIRMATION, 'auth-request.conf'),
    ...withoutFolder(site),
    ...editedMaps(site),
  ],
  deliver: ({ servers }) => unmet(locationsAt(servers, DELIVERY), DELIVER, 'auth-request.conf'),
};

function hasAuthRequest(server: Server): boolean {
  const isThere = (name: string) => locationsAt([server], name).length > 0;
  const asks = locationsAt([server], AUTH_REQUEST).some(isExact);
  return asks && [DELIVERY, CONFIRM, PAGE, '@postern_failed'].every(isThere);
}

function ignores(location: Location, header: string): boolean {
  return effective(location, 'proxy_ignore_headers').some(({ args }) =>
    args.some((name) => name.toLowerCase() === header),
  );
}

function refusesEach(...answers: readonly string[]) {
  return (location: Location) =>
    answers.every((postern_answer) => refuses(location, { postern_answer }));
}

/** The last map of this name, which is the one that nginx uses. */
function mapOf(http: Http, name: string): Directive | undefined {
  return own(http, 'map')
    .filter(({ args }) => args[1] === name)
    .at(-1);
}

/** cache.conf without the line that says where the cache is. `nginx -t` does not notice. */
function withoutFolder({ http }: SiteConfig): readonly Trap[] {
  const at = mapOf(http, '$postern_decisions');
  const zone = at?.block?.flatMap(({ args }) => args).find((value) => value !== '');
  const has = own(http, 'proxy_cache_path').some(({ args }) =>
    args.some((word) => word.startsWith(`keys_zone=${zone}:`)),
  );
  if (at === undefined || zone === undefined || has) return [];
  const seen = `cache.conf without a proxy_cache_path for the zone ${zone}`;
  const why = 'nginx caches nothing, and writes each request to its error log, with the token.';
  const fix = `proxy_cache_path /run/postern-decisions keys_zone=${zone}:512k; in the http block`;
  return [{ at, seen, why, fix }];
}

/** The variables on which a decision depends. The key needs one of each list. */
const KEY = [
  ['request_uri'],
  ['request_method'],
  ['server_name'],
  ['http_authorization'],
  ['cookie_postern', 'http_cookie'],
  ['remote_addr', 'binary_remote_addr'],
];

function cached(location: Location, http: Http): readonly Trap[] {
  const at = turnedOn(location, 'proxy_cache');
  // The variable is empty if the site does not include cache.conf.
  if (at?.args[0]?.startsWith('$') && mapOf(http, at.args[0]) === undefined) return [];
  const key = variablesIn(firstWord(location, 'proxy_cache_key'));
  const lacking = KEY.filter((ways) => !ways.some((name) => key.includes(name)));
  if (at === undefined || lacking.length === 0) return [];
  const names = lacking.map(([name]) => `$${name}`).join(', ');
  const seen = `proxy_cache ${at.args[0]} applies to ${titleAt(location)}, with a key that lacks ${names}`;
  const why = 'nginx sends the decision for one client to the next, and with it the file.';
  return [{ at, seen, why, fix: 'proxy_cache off; in that location' }];
}

/** The names of the variables in a text, such as `$request_uri` or `${request_uri}`. */
function variablesIn(text = ''): readonly string[] {
  return [...text.matchAll(/\$\{?(\w+)/g)].map(([, name = '']) => name);
}

/** A map that decides what is cached, and whose source lacks a variable that cache.conf has. */
function editedMaps({ http }: SiteConfig): readonly Trap[] {
  if (mapOf(http, '$postern_decisions') === undefined) return [];
  return named(parse(readSnippet('cache.conf'), ''), 'map').flatMap(
    ({ args: [source, name = ''] }) => {
      const at = mapOf(http, name);
      const used = variablesIn(at?.args[0]);
      const lacking = variablesIn(source).filter((one) => !used.includes(one));
      if (at !== undefined && lacking.length === 0) return [];
      const what =
        at === undefined ? '' : ` that examines ${lacking.map((one) => `$${one}`).join(', ')}`;
      return {
        at: at ?? http.at,
        seen: `no map for ${name}${what}`,
        why: 'nginx caches decisions that depend on more than their key.',
        fix: 'include postern/cache.conf; unchanged, in the http block',
      };
    },
  );
}
