import { type Directive, named, wordsOf } from './directive.ts';

/** A block and the block that it inherits from: a location, its server, the http block. */
export interface Context {
  readonly at: Directive;
  readonly block: readonly Directive[];
  readonly parent?: Context;
}

export interface Location extends Context {
  readonly modifier: '' | '=' | '^~' | '~' | '~*' | '@';
  /** The prefix, the exact path, the regex, or the name. */
  readonly path: string;
  readonly server: Server;
  readonly locations: readonly Location[];
}

/** A server block. It serves requests that match no location, as `location /` would. */
export interface Server extends Location {
  readonly names: readonly string[];
}

export interface Http extends Context {
  /** The whole configuration, which contains the http block. */
  readonly main: readonly Directive[];
  readonly servers: readonly Server[];
}

/** The http block of a configuration. A file without one is read as the content of an http block. */
export function httpOf(main: readonly Directive[], file: string): Http {
  const at = named(main, 'http')[0] ?? { name: 'http', args: [], file, line: 1, block: main };
  const http = { at, main, block: at.block ?? [], servers: [] as Server[] };
  for (const server of named(http.block, 'server')) http.servers.push(serverOf(server, http));
  return http;
}

function serverOf(at: Directive, parent: Context): Server {
  const server = {
    at,
    block: at.block ?? [],
    parent,
    names: own(at, 'server_name').flatMap(({ args }) => args),
    modifier: '' as const,
    path: '/',
    locations: [] as readonly Location[],
    get server(): Server {
      return server;
    },
  };
  server.locations = locationsOf(server, server);
  return server;
}

function locationsOf(parent: Context, server: Server): readonly Location[] {
  return own(parent, 'location').map((at) => {
    const location = { at, block: at.block ?? [], parent, server, ...nameOf(at.args) };
    return Object.assign(location, { locations: locationsOf(location, server) });
  });
}

/** In nginx the modifier is a separate word, or part of the path. */
function nameOf(args: readonly string[]): Pick<Location, 'modifier' | 'path'> {
  const [first = '', second] = args;
  const modifier = (/^(?:=|\^~|~\*|~|@)/.exec(first)?.[0] ?? '') as Location['modifier'];
  return { modifier, path: second ?? (modifier === '@' ? first : first.slice(modifier.length)) };
}

/** The addresses of a server block, each with a port or as a Unix socket. */
export function listensOf(server: Server): readonly string[] {
  const lines = own(server, 'listen').map(({ args }) => args[0] ?? '');
  // nginx listens on port 80 if the line names no port, or if there is no line.
  return (lines.length > 0 ? lines : ['*']).map((address) =>
    /^(unix:.*|\d+|.*:\d+)$/.test(address) ? address : `${address}:80`,
  );
}

/** All locations, with their nested locations. */
export function withNested(locations: readonly Location[]): readonly Location[] {
  return locations.flatMap((location) => [location, ...withNested(location.locations)]);
}

/** The directives of these names in a block itself. */
export function own(at: Pick<Directive, 'block'>, ...names: string[]): readonly Directive[] {
  return named(at.block ?? [], ...names);
}

/** The last map for this variable, which is the one that nginx uses. */
export function mapOf(http: Http, variable: string): Directive | undefined {
  return own(http, 'map')
    .filter(({ args }) => args[1] === variable)
    .at(-1);
}

export function has(at: Pick<Directive, 'block'>, name: string): boolean {
  return own(at, name).length > 0;
}

/** The directives of these names that apply here: the nearest level that has any replaces all levels above. */
export function effective(context: Context, ...names: string[]): readonly Directive[] {
  const here = own(context, ...names);
  if (here.length > 0 || context.parent === undefined) return here;
  return effective(context.parent, ...names);
}

/** The directive that applies here, for a directive that can occur once. */
export function inForce(context: Context, name: string): Directive | undefined {
  return effective(context, name)[0];
}

/** The first word of the directive that applies here. */
export function firstWord(context: Context, name: string): string | undefined {
  return inForce(context, name)?.args[0];
}

/** The directive that turns something on here, if there is one. */
export function turnedOn(context: Context, name: string): Directive | undefined {
  return firstWord(context, name) === 'off' ? undefined : inForce(context, name);
}

export function title({ at }: Context): string {
  return wordsOf(at);
}

/** The same with its position: `location /a/ (nginx.conf:12)`. */
export function titleAt(context: Context): string {
  return `${title(context)} (${context.at.file}:${context.at.line})`;
}

/** The location that nginx selects by prefix, before it tries regexes. */
export function prefixMatch({ locations }: Location, uri: string): Location | undefined {
  const exact = locations.find(({ modifier, path }) => modifier === '=' && path === uri);
  if (exact !== undefined) return exact;
  const best = longestPrefix(locations, uri);
  return best === undefined ? undefined : (prefixMatch(best, uri) ?? best);
}

function longestPrefix(locations: readonly Location[], uri: string): Location | undefined {
  return locations
    .filter(({ modifier, path }) => isPrefix(modifier) && uri.startsWith(path))
    .sort((a, b) => b.path.length - a.path.length)[0];
}

/** The regex locations of a level that could match a URI, or a URI below it, instead of its prefix location. */
export function regexRivals({ locations }: Location, uri: string): readonly Location[] {
  return locations.filter(
    ({ modifier, path }) => modifier.startsWith('~') && couldMatch(path, uri, modifier === '~*'),
  );
}

/**
 * The locations that nginx could select for URIs below a folder. `^~` and `=` stop only the regexes of their own level
 * (`ngx_http_core_find_location` in src/http/ngx_http_core_module.c).
 */
export function candidates(level: Location, folder: string): readonly Location[] {
  const { locations } = level;
  const best = longestPrefix(locations, folder);
  const below = locations.filter(
    (one) =>
      one !== best &&
      one.path.startsWith(folder) &&
      // An exact location of a folder does not serve its files.
      (one.modifier === '=' ? !one.path.endsWith('/') : isPrefix(one.modifier)),
  );
  const triesRegexes = [best, ...below].some((one) => !one?.modifier);
  const inner = [...below, ...(triesRegexes ? regexRivals(level, folder) : [])];
  return [
    ...(best === undefined ? [level] : candidates(best, folder)),
    ...inner.flatMap((one) => candidates(one, folder)),
  ];
}

export function isPrefix(modifier: string): boolean {
  return modifier === '' || modifier === '^~';
}

/** Whether a regex could match: it cannot if it begins with other letters. */
function couldMatch(regex: string, uri: string, ignoresCase: boolean): boolean {
  if (hasAlternatives(regex)) return true;
  const literal = /^\^((?:[\w/-](?![*+?{]))*)/.exec(regex)?.[1] ?? '';
  const fold = (text: string) => (ignoresCase ? text.toLowerCase() : text);
  const [a, b] = [fold(literal), fold(uri)];
  return a.startsWith(b) || b.startsWith(a);
}

function hasAlternatives(regex: string): boolean {
  let depth = 0;
  for (const char of regex.replace(/\\[\s\S]/g, '')) {
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char === '|' && depth === 0) return true;
  }
  return false;
}
