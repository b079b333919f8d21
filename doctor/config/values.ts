import { Context, Directive, type Http, type Location } from './context.ts';

// A value is a text in which these characters, of the private use area, are parts that are not constant.

/** Any text without a slash and without `..`. */
export const NAME = '\uE000';
/** What a client chooses, or what the doctor does not know. */
export const WILD = '\uE001';

/** More values than a site chooses from. */
const MAX_VALUES = 64;
const MAX_DEPTH = 8;

/** Variables that nginx itself writes, or has checked. */
const NAMES =
  /^((http_)?host|hostname|scheme|https|request_method|request_id|status|pid|msec|nginx_version|(remote|server|proxy_protocol)_(addr|port)|connection(_requests)?|time_\w+|geoip\w*_code|is_args|ssl_(protocol|cipher)|http[23])$/;

/** Lines of a map that are not values. */
const NO_VALUE = new Set(['volatile', 'hostnames', 'ranges', 'proxy', 'proxy_recursive', 'delete']);

/** The values that a text with variables can have in a block: those of `set`, `map`, `geo` and `split_clients`. */
export function textValues(text: string, location: Location, http: Http, depth = 0) {
  let found: readonly string[] = [''];
  for (const [all, inBraces, word] of text.matchAll(/\$(?:\{(\w+)\}|([1-9]|\w+))|[^$]+|\$/g)) {
    const name = (inBraces ?? word)?.toLowerCase();
    const values = name === undefined ? [all] : ofVariable(name, location, http, depth + 1);
    found = found.flatMap((start) => values.map((value) => start + value));
    if (found.length > MAX_VALUES) return [WILD];
  }
  return [...new Set(found)];
}

function ofVariable(
  name: string,
  location: Location,
  http: Http,
  depth: number,
): readonly string[] {
  const { server } = location;
  if (depth > MAX_DEPTH) return [WILD];
  if (name === 'server_name') return [server.names[0] ?? ''];
  if (NAMES.test(name)) return [NAME];
  const isIt = (one: Directive) => one.name === 'set' && one.args[0]?.toLowerCase() === `$${name}`;
  const setIn = (block: Location) => blocksOf(block).flatMap((one) => one.block.filter(isIt));
  const own = setIn(location);
  const sets = own.length > 0 ? own : server.nested.flatMap(setIn);
  const isSure = [server, location].some((block) => block.sure.some(isIt));
  const maps = http
    .own('map', 'geo', 'split_clients')
    .filter(({ args }) => args.at(-1)?.toLowerCase() === `$${name}`);
  const hasDefault = maps.every(({ block = [] }) =>
    block.some((line) => line.name === 'default' || line.name === '*'),
  );
  const lines = maps.flatMap(({ block = [] }) => block).filter((one) => !NO_VALUE.has(one.name));
  const values = [...sets, ...lines].flatMap(({ args }) =>
    textValues(args.at(-1) ?? '', location, http, depth),
  );
  if (sets.length + maps.length === 0) return [WILD];
  const isSet = sets.length === 0 || isSure;
  return isSet && hasDefault ? values : [...values, ''];
}

/** The values of the `root` or `alias` in force. One that is empty begins with a random byte. */
export function folderValues(context: Context, http: Http): readonly string[] {
  const [{ args }] = folderLine(context);
  const values = textValues(args[0] ?? '', locationOf(context), http);
  return values.map((folder) => folder || WILD);
}

/** The constant text at the beginning of a value. */
export function constantOf(value: string): string {
  return value.replace(/[\uE000\uE001].*/s, '');
}

/** The location, its `if` blocks, and `limit_except` if it applies to GET. */
export function blocksOf(location: Location): readonly Context[] {
  const inner = location
    .own('if', 'limit_except')
    .filter(({ name, args }) => name === 'if' || !args.includes('GET'));
  return [location, ...inner.map((one) => new Context(one, location))];
}

export function locationOf(context: Context): Location {
  const isOwn = /^(location|server)$/.test(context.name);
  return (isOwn ? context : context.parent) as unknown as Location;
}

/** The `root` or `alias` in force, which replace each other, and the block that has it. The default is `html`. */
export function folderLine(context: Context, below = context): readonly [Directive, Context] {
  const [at] = context.own('alias', 'root');
  if (at !== undefined) return [at, context];
  if (context.parent) return folderLine(context.parent, context);
  return [new Directive('root', ['html'], below), below];
}
