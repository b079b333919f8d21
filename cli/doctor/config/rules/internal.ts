import {
  effective,
  inForce,
  type Location,
  own,
  refuses,
  title,
  turnedOn,
  withNested,
} from '../context.ts';
import { type Directive, wordsOf } from '../directive.ts';
import { AUTH_REQUEST, isListing, type SiteConfig } from '../site.ts';
import { type Requirements, type Trap, turnedOnIn, unmet } from '../trap.ts';
import { inside } from './locations.ts';

const INTERNAL: Requirements = {
  'internal;': 'Any client can request the files by their internal prefix.',
  'set $postern_decided "…"; if ($postern_decided !~ "…") { return 404; }': {
    why: '`internal` allows every internal redirect of the site: from an SSI page, a rewrite, an error_page, or an X-Accel-Redirect of another back end.',
    isMet: (location) => comparesWithDecision(location, UNDECIDED),
  },
  'try_files $uri =404;': {
    why: 'nginx answers a folder without its final slash with a redirect that shows this prefix.',
    isMet: (location) =>
      own(location, 'proxy_pass').length > 0 ||
      own(location, 'try_files').some(({ args }) => args.at(-1) === '=404'),
  },
  'auth_request off;': {
    why: 'nginx asks the gate a second time for the same request.',
    isMet: (location) => turnedOn(location, 'auth_request')?.args[0] !== AUTH_REQUEST,
  },
};

/** What may come here without a decision for it: from a page, for another file, by a denial. */
const UNDECIDED: readonly Readonly<Record<string, string>>[] = [
  {},
  { postern_target: '/protected/b', upstream_status: '204' },
  { upstream_status: '403', upstream_http_x_accel_redirect: '/protected/a' },
];

function comparesWithDecision(location: Location, undecided: typeof UNDECIDED): boolean {
  return own(location, 'set').some(
    ({ args: [variable = '', value = ''] }) =>
      value.includes('$uri') &&
      value.includes('$postern_target') &&
      undecided.every((values) =>
        refuses(location, variable, filled(value, { uri: '/protected/a', ...values })),
      ),
  );
}

function filled(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\w+)/g, (_, name: string) => values[name] ?? '');
}

const EXTRAS = {
  ssi: 'An uploaded page can include the files of other users.',
  gzip_static:
    'nginx sends the .gz file beside the requested file instead of the file that the gate allowed.',
  autoindex: 'nginx lists the folder.',
  gzip: 'A compressed response has no ranges: a client cannot resume a download.',
};

/** Modules that do more with a file than send it. */
export function internalExtras({ internals }: SiteConfig): readonly Trap[] {
  return internals.flatMap((location) =>
    turnedOnIn(location, EXTRAS, ' (internal.conf contains it)'),
  );
}

const LISTING: Requirements = {
  'set $postern_decided "…"; if ($postern_decided !~ "…") { return 404; }': {
    why: 'A nested location does not inherit the check of internal.conf: nginx lists folders without a decision, or for tokens without `listing`.',
    isMet: (location) =>
      comparesWithDecision(location, [
        ...UNDECIDED,
        { postern_target: '/protected/a', upstream_status: '204' },
        { upstream_status: '200', upstream_http_x_accel_redirect: '/protected/a' },
      ]),
  },
  'try_files $uri/ =404;': {
    why: 'nginx follows symbolic links to folders outside of the folder.',
    isMet: (location) => own(location, 'try_files').some(({ args }) => args.at(-1) === '=404'),
  },
};

/** internal.conf and listing.conf, if they were edited or are not included. */
export function internalSnippet({ internals, servers }: SiteConfig): readonly Trap[] {
  const lists = servers.flatMap(({ locations }) => withNested(locations).filter(isListing));
  return [
    ...internals.flatMap((location) => unmet(location, INTERNAL)),
    ...lists.flatMap((location) => unmet(location, LISTING)),
  ];
}

/** Blocks other than that of listing.conf. */
function others(location: Location): readonly Directive[] {
  return inside(location).filter((at) => !isListing(at));
}

/** Directives that change the URI in the internal location, or bypass its checks. */
export function internalRewrite({ internals }: SiteConfig): readonly Trap[] {
  return internals.flatMap((location) => [
    ...others(location).map((at) => ({
      at,
      seen: `${wordsOf(at)} inside ${title(location)}`,
      why: 'A nested block inherits neither try_files nor the check of the target: a folder answers with a redirect that shows the internal prefix, and other locations of the site can send any request here.',
      fix: 'remove it: the internal location must not contain a location, limit_except or an `if` that does not return',
    })),
    ...own(location, 'rewrite').map((at) => ({
      at,
      seen: `${wordsOf(at)} in ${title(location)}`,
      why: 'The URI is no longer the one that the gate allowed. Above the include every download is a 404; below it a 500 with alias, and another file with root.',
      fix: 'remove it: the mount maps the public prefix to the internal prefix',
    })),
  ]);
}

const STORED = 'nginx stores the file that one client fetched and sends it to the next client.';
const STORES = { proxy_cache: STORED, proxy_store: STORED };

/** An internal location that proxies: what it passes on, and what it caches. */
export function internalProxy({ internals }: SiteConfig): readonly Trap[] {
  return internals
    .filter((location) => own(location, 'proxy_pass').length > 0)
    .flatMap((location) => [...turnedOnIn(location, STORES), ...passesCredentials(location)]);
}

function passesCredentials(location: Location): readonly Trap[] {
  const blanked = effective(location, 'proxy_set_header')
    .filter(({ args }) => args[1] === '')
    .map(({ args }) => args[0]?.toLowerCase());
  const passed = ['Authorization', 'Cookie'].filter(
    (name) => !blanked.includes(name.toLowerCase()),
  );
  const isOff = inForce(location, 'proxy_pass_request_headers')?.args[0] === 'off';
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
