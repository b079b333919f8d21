import {
  effective,
  firstWord,
  has,
  type Location,
  own,
  refuses,
  title,
  turnedOn,
  withNested,
} from '../context.ts';
import { wordsOf } from '../directive.ts';
import { AUTH_REQUEST, isListing, type SiteConfig } from '../site.ts';
import { type Requirements, type Rule, type Trap, turnedOnIn, unmet } from '../trap.ts';
import { inside } from './locations.ts';

/** Internal redirects without a decision for this file: by a page, with a decision for another file, by a denial. */
const UNDECIDED: readonly Readonly<Record<string, string>>[] = [
  {},
  { postern_target: '/protected/b' },
  { upstream_status: '200', upstream_http_x_accel_redirect: '/protected/a' },
  { upstream_status: '403', upstream_http_postern_target: '/protected/a' },
  { postern_public: '', upstream_status: '200', upstream_http_postern_target: '/protected/a' },
];

function refusesAll(undecided: typeof UNDECIDED) {
  return (location: Location) =>
    undecided.every((values) =>
      refuses(location, { uri: '/protected/a', postern_public: '1', ...values }),
    );
}

const INTERNAL: Requirements = {
  'internal;': 'Any client can request the files by their internal prefix.',
  'if ($postern_decided != "1\\t$uri\\t$args") { return 404; }': {
    why: '`internal` allows every internal redirect of the site: from an SSI page, a rewrite, an error_page, or an X-Accel-Redirect of another back end.',
    isMet: refusesAll(UNDECIDED),
  },
  'try_files $uri =404;': {
    why: 'nginx answers a folder without its final slash with a redirect that shows this prefix.',
    isMet: (location) =>
      has(location, 'proxy_pass') ||
      own(location, 'try_files').some(({ args }) => args.at(-1) === '=404'),
  },
  'auth_request off;': {
    why: 'nginx asks the gate a second time for the same request.',
    isMet: (location) => turnedOn(location, 'auth_request')?.args[0] !== AUTH_REQUEST,
  },
};

const LISTING: Requirements = {
  'if ($postern_decided != "1$uri") { return 404; }': {
    why: 'A nested location does not inherit the checks of internal.conf: nginx lists folders without a decision, or for tokens without `listing`.',
    isMet: refusesAll([
      ...UNDECIDED,
      { postern_target: '/protected/a' },
      { upstream_status: '200', upstream_http_postern_target: '/protected/a' },
    ]),
  },
  'try_files $uri/ =404;': {
    why: 'nginx follows symbolic links to folders outside of the folder.',
    isMet: (location) => own(location, 'try_files').some(({ args }) => args.at(-1) === '=404'),
  },
};

/** Modules that do more with a file than send it. */
const EXTRAS = {
  ssi: 'An uploaded page can include the files of other users.',
  gzip_static:
    'nginx sends the .gz file beside the requested file instead of the file that the gate allowed.',
  autoindex: 'nginx lists the folder.',
  gzip: 'A compressed response has no ranges: a client cannot resume a download.',
};

const STORED = 'nginx keeps a copy of a file that it sent, and sends it to other clients, too.';
const STORES = { proxy_cache: STORED, proxy_store: STORED };

/** The internal location: its snippets, and other directives in it. */
export const internalRules: Readonly<Record<string, Rule>> = {
  internal: (site) => {
    const { internals, servers } = site;
    const locations = servers.flatMap((server) => withNested(server.locations));
    return [
      ...withoutInternal(site),
      ...unmet(internals, INTERNAL, 'internal.conf'),
      ...unmet(locations.filter(isListing), LISTING, 'listing.conf'),
    ];
  },
  'internal-rewrite': ({ internals }) =>
    internals.flatMap((location) => [...blocksIn(location), ...rewritesIn(location)]),
  'internal-extras': ({ internals }) =>
    turnedOnIn(internals, EXTRAS, ' (internal.conf contains it)'),
  'internal-proxy': ({ internals }) =>
    internals
      .filter((location) => has(location, 'proxy_pass'))
      .flatMap((location) => [...turnedOnIn([location], STORES), ...passesCredentials(location)]),
};

/** The internal location has no line of the snippets, or is missing. If the mounts are known, they lead to it. */
function withoutInternal({ gates, internals, mounts }: SiteConfig): readonly Trap[] {
  return gates
    .filter(({ server }) => !mounts && !internals.some((one) => one.server === server))
    .map((gate) => ({
      at: gate.at,
      seen: `${title(gate)} in a server block without an internal location`,
      why: 'Without internal.conf in the location with the files, any client can request them by its prefix.',
      fix: 'include postern/internal.conf; in the location with the files (--mounts finds it)',
    }));
}

/** Blocks other than that of listing.conf. */
function blocksIn(location: Location): readonly Trap[] {
  return inside(location)
    .filter((at) => !isListing(at))
    .map((at) => ({
      at,
      seen: `${wordsOf(at)} inside ${title(location)}`,
      why: 'A nested block inherits neither try_files nor the check of the target: a folder answers with a redirect that shows the internal prefix, and other locations of the site can send any request here.',
      fix: 'remove it: the internal location must not contain a location, limit_except or an `if` that does not return',
    }));
}

function rewritesIn(location: Location): readonly Trap[] {
  return own(location, 'rewrite').map((at) => ({
    at,
    seen: `${wordsOf(at)} in ${title(location)}`,
    why: 'The URI is no longer the one that the gate allowed. Above the include every download is a 404; below it a 500 with alias, and another file with root.',
    fix: 'remove it: the mount maps the public prefix to the internal prefix',
  }));
}

function passesCredentials(location: Location): readonly Trap[] {
  const blanked = effective(location, 'proxy_set_header')
    .filter(({ args }) => args[1] === '')
    .map(({ args }) => args[0]?.toLowerCase());
  const passed = ['Authorization', 'Cookie'].filter(
    (name) => !blanked.includes(name.toLowerCase()),
  );
  const isOff = firstWord(location, 'proxy_pass_request_headers') === 'off';
  if (isOff || passed.length === 0) return [];
  return [
    {
      at: location.at,
      seen: `${title(location)} proxies, and passes the client's ${passed.join(' and ')} on`,
      why: 'The other server receives tokens and session cookies, and may reject a request with two credentials.',
      fix: 'proxy_pass_request_headers off; proxy_method GET;',
    },
  ];
}
