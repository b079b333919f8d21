import { posix } from 'node:path';
import { type Directive, named } from './directive.ts';

/** A block with what it inherits from: a location, its server, the http block. */
export interface Scope {
  readonly at: Directive;
  readonly block: readonly Directive[];
  readonly parent?: Scope;
}

export type Modifier = '' | '=' | '^~' | '~' | '~*' | '@';

export interface Location extends Scope {
  readonly modifier: Modifier;
  /** The prefix, the exact path, the regex, or the name. */
  readonly path: string;
  readonly server: Server;
  readonly locations: readonly Location[];
}

export interface Server extends Scope {
  readonly names: readonly string[];
  readonly locations: readonly Location[];
}

export interface Http extends Scope {
  /** What stands around it, it included. */
  readonly main: readonly Directive[];
  readonly servers: readonly Server[];
}

/** The http block of a configuration. A file of servers alone is taken for what stands in one. */
export function httpOf(main: readonly Directive[], file: string): Http {
  const at = named(main, 'http')[0] ?? { name: 'http', args: [], file, line: 1, block: main };
  const http = { at, main, block: at.block ?? [], servers: [] as Server[] };
  for (const server of named(http.block, 'server')) http.servers.push(serverOf(server, http));
  return http;
}

function serverOf(at: Directive, parent: Scope): Server {
  const block = at.block ?? [];
  const names = named(block, 'server_name').flatMap(({ args }) => args);
  const server = { at, block, parent, names, locations: [] as Location[] };
  server.locations.push(...locationsOf(server, server));
  return server;
}

function locationsOf(parent: Scope, server: Server): Location[] {
  return named(parent.block, 'location').map((at) => {
    const location = {
      at,
      block: at.block ?? [],
      parent,
      server,
      ...nameOf(at.args),
      locations: [] as Location[],
    };
    location.locations.push(...locationsOf(location, server));
    return location;
  });
}

/** In nginx the modifier is a separate word, or part of the path. */
function nameOf(args: readonly string[]): Pick<Location, 'modifier' | 'path'> {
  const [first = '', second] = args;
  const modifier = (/^(?:=|\^~|~\*|~|@)/.exec(first)?.[0] ?? '') as Modifier;
  return { modifier, path: second ?? (modifier === '@' ? first : first.slice(modifier.length)) };
}

/** All locations, with their nested locations. */
export function withNested(locations: readonly Location[]): readonly Location[] {
  return locations.flatMap((location) => [location, ...withNested(location.locations)]);
}

export function own(scope: Scope, name: string): readonly Directive[] {
  return named(scope.block, name);
}

/** The directives of a name that are in force here: the nearest level with any replaces all levels above. */
export function effective(scope: Scope, name: string): readonly Directive[] {
  const here = own(scope, name);
  return here.length > 0 || scope.parent === undefined ? here : effective(scope.parent, name);
}

/** The directive in force, for a directive that can occur once. */
export function inForce(scope: Scope, name: string): Directive | undefined {
  return effective(scope, name)[0];
}

/** Where a directive turns something on here, or nothing. */
export function turnedOn(scope: Scope, name: string): Directive | undefined {
  const directive = inForce(scope, name);
  return directive === undefined || directive.args[0] === 'off' ? undefined : directive;
}

/** The first line of the block. */
export function title({ at }: Scope): string {
  return [at.name, ...at.args].join(' ');
}

/** The location that a URI's prefix leads to, before any regex is tried. */
export function prefixMatch(
  { locations }: Pick<Server, 'locations'>,
  uri: string,
): Location | undefined {
  const exact = locations.find(({ modifier, path }) => modifier === '=' && path === uri);
  if (exact !== undefined) return exact;
  const [best] = locations
    .filter(({ modifier, path }) => isPrefix(modifier) && uri.startsWith(path))
    .sort((a, b) => b.path.length - a.path.length);
  return best === undefined ? undefined : (prefixMatch(best, uri) ?? best);
}

/** The regex locations that could take a URI, or one below it, from its prefix location. */
export function regexRivals(server: Pick<Server, 'locations'>, uri: string): readonly Location[] {
  return server.locations.filter(
    ({ modifier, path }) => modifier.startsWith('~') && couldMatch(path, uri, modifier === '~*'),
  );
}

export function isPrefix(modifier: string): boolean {
  return modifier === '' || modifier === '^~';
}

/** Only a regex that begins with other letters surely does not match. */
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

/** Whether an `if` that compares this variable ends the request where it holds this text. */
export function refuses(location: Location, variable: string, text: string): boolean {
  return own(location, 'if').some(({ args, block = [] }) => {
    const [, name, operator, pattern] =
      /^\(\s*(\$\w+)\s+(!?~\*?|!?=)\s+([\s\S]*?)\s*\)$/.exec(args.join(' ')) ?? [];
    if (name !== variable || operator === undefined || pattern === undefined) return false;
    const ends = named(block, 'return').some(({ args: [status = ''] }) => /^[45]/.test(status));
    return ends && holds(operator, text, pattern);
  });
}

function holds(operator: string, text: string, pattern: string): boolean {
  const isNegated = operator.startsWith('!');
  if (!operator.includes('~')) return (text === pattern) !== isNegated;
  const regex = toRegExp(pattern, operator.endsWith('*'));
  // Assume that a regex that JavaScript cannot parse is correct.
  return regex === undefined || regex.test(text) !== isNegated;
}

function toRegExp(pattern: string, ignoresCase: boolean): RegExp | undefined {
  try {
    return new RegExp(pattern, ignoresCase ? 'i' : '');
  } catch {
    return undefined;
  }
}

/** A folder or a file, and the URI under which it is served. */
export interface Served {
  readonly path: string;
  readonly uri: string;
}

/** What an `alias` or `root` in force makes of a scope. */
export interface Folder {
  /** The line that says so. */
  readonly at: Directive;
  /** The whole tree that it opens, whether or not its URIs lead here. */
  readonly tree: Served;
  /** The folder of the scope's own URI. */
  readonly own: Served;
}

/** Undefined where there is none, or variables decide. */
export function folderOf(scope: Location | Server): Folder | undefined {
  const line = nearest(scope);
  const name = line?.at.args[0];
  if (line === undefined || name === undefined || name.includes('$')) return undefined;
  const { at, from } = line;
  const isRegex = 'modifier' in scope && scope.modifier.startsWith('~');
  const isNamed = 'modifier' in scope && scope.modifier === '@';
  const uri = isRegex || isNamed || !('path' in scope) ? '/' : scope.path;
  if (at.name === 'root') {
    const tree = { path: slashed(name), uri: '/' };
    return { at, tree, own: { path: posix.normalize(`${name}/${uri}`), uri } };
  }
  // The captures of a regex are variables too, and `nginx -t` has not checked whether an alias is allowed here.
  if (isRegex || !('path' in from)) return undefined;
  const { path } = from as Location;
  return {
    at,
    tree: { path: slashed(name), uri: slashed(path) },
    own: { path: posix.normalize(`${name}${uri.slice(path.length)}`), uri },
  };
}

/** `root` and `alias` replace each other. Only locations can have an alias. */
function nearest(scope: Scope): { at: Directive; from: Scope } | undefined {
  const [at] = [...named(scope.block, 'alias'), ...named(scope.block, 'root')];
  if (at !== undefined) return { at, from: scope };
  return scope.parent && nearest(scope.parent);
}

function slashed(path: string): string {
  return posix.normalize(`${path}/`);
}
