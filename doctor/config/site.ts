import type { Mount } from '../../service/site/mount.ts';
import {
  type Http,
  has,
  isPrefix,
  type Location,
  own,
  prefixMatch,
  type Server,
  withNested,
} from './context.ts';
import type { Directive, Position } from './directive.ts';
import type { Version } from './version.ts';

/** The locations that the snippets define. */
export const AUTH_REQUEST = '/.postern/auth-request';
export const DELIVERY = '@postern_deliver';
export const CONFIRM = '/.postern/POST';
export const PAGE = '/.postern/page';

/** A configuration, and the parts of it that belong to Postern. */
export interface SiteConfig {
  readonly http: Http;
  /** The public locations, and those of them that ask the gate by auth_request and by X-Accel. */
  readonly gates: readonly Location[];
  readonly asking: readonly Location[];
  readonly passing: readonly Location[];
  /** The locations of auth-request.conf that ask the gate. */
  readonly questions: readonly Location[];
  /** The locations that serve the files that a gate allowed. */
  readonly internals: readonly Location[];
  /** The server blocks with a gate. */
  readonly servers: readonly Server[];
  /** Undefined: unknown. */
  readonly mounts: readonly Mount[] | undefined;
  readonly snippets: readonly SnippetFile[];
  /** The version of nginx. Undefined: unknown. */
  readonly version?: Version | undefined;
}

/** A file of Postern's, and its version. Absent: the file does not name one. */
interface SnippetFile extends Position {
  readonly version?: string | undefined;
}

/** The version of a snippet, recognized by its first line. Empty if the file is not a snippet. */
export function snippetOf(file: string, text: string): readonly SnippetFile[] {
  const [first = '', ...lines] = text.split('\n', 20);
  if (!/^# Postern\b/.test(first)) return [];
  const at = lines.findIndex((line) => line.startsWith('# postern-version: '));
  return [{ file, line: at + 2, version: lines[at]?.split(' ')[2] }];
}

export function siteOf(
  http: Http,
  mounts: readonly Mount[] | undefined,
  versions: Pick<SiteConfig, 'snippets' | 'version'>,
): SiteConfig {
  const locations = http.servers.flatMap((server) => withNested(server.locations));
  const gates = locations.filter((location) => asksGate(location) || passesToGate(location));
  const asking = gates.filter(asksGate);
  const passing = gates.filter((gate) => !asksGate(gate));
  const servers = http.servers.filter((server) => gates.some((gate) => gate.server === server));
  const internals = servers.flatMap((server) => {
    const others = withNested(server.locations).filter(
      (location) => !isSnippets(location) && !isListing(location) && !gates.includes(location),
    );
    const sure = others.filter(usesSnippets);
    const ofMounts = others.filter((location) => isOfMount(location, mounts ?? []));
    const found = [...new Set([...sure, ...ofMounts])];
    return found.length > 0 ? found : others.filter(isLikely);
  });
  const questions = locationsAt(servers, AUTH_REQUEST).filter(isExact);
  return { http, gates, asking, passing, questions, internals, servers, mounts, ...versions };
}

/** The locations with this path in server blocks. */
export function locationsAt(servers: readonly Server[], path: string): readonly Location[] {
  return servers.flatMap(({ locations }) =>
    withNested(locations).filter((one) => one.path === path),
  );
}

export function isExact({ modifier }: Location): boolean {
  return modifier === '=';
}

/** The mounts of a server block: those without a site, and those of its first name. */
export function mountsOf(server: Server, mounts: readonly Mount[]): readonly Mount[] {
  const site = server.names[0]?.toLowerCase() ?? '';
  return mounts.filter((mount) => mount.site === undefined || mount.site === site);
}

/** The location of listing.conf, in an internal location. */
export function isListing(at: Pick<Directive, 'block'>): boolean {
  return own(at, 'set').some(({ args }) => args[0] === '$postern_page' && args[1] === 'listing');
}

function isSnippets({ modifier, path }: Location): boolean {
  return modifier === '@' || path.startsWith('/.postern/');
}

/** A single line of protect.conf makes a gate, and so does one of x-accel.conf. The rules find missing lines. */
function asksGate(location: Location): boolean {
  if (isSnippets(location)) return false;
  const asks = own(location, 'auth_request').some(({ args }) => args[0] === AUTH_REQUEST);
  return asks || own(location, 'try_files').some(({ args }) => args.at(-1) === DELIVERY);
}

function passesToGate(location: Location): boolean {
  const headers = own(location, 'proxy_set_header').map(({ args }) => args[0]?.toLowerCase());
  const urls = own(location, 'proxy_pass').map(({ args }) => args[0] ?? '');
  if (isSnippets(location) || urls.length === 0) return false;
  const rewritten = own(location, 'rewrite').some(({ args }) => args[1] === '/x-accel?');
  return (
    rewritten || headers.includes('postern-site') || urls.some((url) => /\/x-accel$/.test(url))
  );
}

/** Contains any line of file.conf. */
function usesSnippets({ block }: Location): boolean {
  return block.some(
    ({ name, args }) =>
      ['set', 'auth_request_set', 'limit_rate', 'add_header'].includes(name) &&
      args.some((word) => /^\$postern_(?!log|code|request|referer)/.test(word)),
  );
}

function isOfMount({ modifier, path, server }: Location, mounts: readonly Mount[]): boolean {
  if (!isPrefix(modifier) || path === '/') return false;
  return mountsOf(server, mounts).some(
    ({ internal }) => prefixMatch(server, internal)?.path === path || path.startsWith(internal),
  );
}

/** A guess, if no other is found: an `internal` location that serves files, and is not for error pages or auth_request. */
function isLikely(location: Location): boolean {
  const { modifier, path, server } = location;
  if (!isPrefix(modifier) || !has(location, 'internal')) return false;
  const serves = ['alias', 'root', 'proxy_pass'].some((name) => has(location, name));
  const led = [server.parent, server, ...withNested(server.locations)]
    .flatMap((context): readonly Directive[] => context?.block ?? [])
    .filter(({ name }) => name === 'auth_request' || name === 'error_page')
    .some(({ args }) => args.some((word) => word.startsWith(path)));
  return serves && !led;
}
