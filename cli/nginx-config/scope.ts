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
