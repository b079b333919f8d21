import { join } from 'node:path';
import { Context, Directive, type Http, type Location } from './context.ts';
import { ANY, CUT_PATH, NAME, PATH, PREFIX } from './pattern.ts';
import { beginningOf, captured } from './regex.ts';

/** More values than a site chooses from. */
const MAX_VALUES = 64;
const MAX_DEPTH = 8;

/** Variables without a slash and without `..`: nginx itself writes them, or has checked them. */
const NAMES =
  /^((http_)?host|hostname|scheme|https|request_method|request_id|status|pid|msec|nginx_version|(remote|server|proxy_protocol)_(addr|port)|connection(_requests)?|time_\w+|geoip\w*_code|is_args|ssl_(protocol|cipher)|http[23])$/;

/** Where a text stands. */
export interface Point {
  readonly context: Context;
  /** The pattern of the URI at that point. */
  readonly uri: string;
}

export type Variables = ReturnType<typeof createVariables>;

/** Finds the values that variables of a server block can have, as patterns. */
export function createVariables(http: Http, server: Location) {
  const blocks = server.nested.flatMap(blocksOf);
  /** The regexes in maps, and the name of the variable of the map. */
  const maps = http.own('map').flatMap(({ args: [text, variable = ''], block = [] }) =>
    block.map(({ name }) => ({
      regex: /^~/.test(name) ? name : '',
      subject: subjectOf(text),
      variable: variable.slice(1),
    })),
  );

  /** The patterns of a text with variables. */
  function expand(text: string, scope: Point, depth = 0): readonly string[] {
    let found: readonly string[] = [''];
    for (const [all, inBraces, word] of text.matchAll(/\$(?:\{(\w+)\}|([1-9]|\w+))|[^$]+|\$/g)) {
      const name = (inBraces ?? word)?.toLowerCase();
      const values = name === undefined ? [all] : valuesOf(name, scope, depth + 1);
      found = found.flatMap((start) => values.map((value) => start + value));
      if (found.length > MAX_VALUES) return [ANY];
    }
    return [...new Set(found)];
  }

  function valuesOf(name: string, scope: Point, depth: number): readonly string[] {
    if (depth > MAX_DEPTH) return [ANY];
    if (/^[1-9]$/.test(name)) return numbered(name, scope);
    if (name === 'uri' || name === 'document_uri') return [scope.uri];
    if (name === 'server_name') return [server.names[0] ?? ''];
    if (name === 'document_root' || name === 'realpath_root') return rootsOf(scope, depth);
    if (NAMES.test(name)) return [NAME];
    const found = [...assigned(name, scope, depth), ...chosen(name, scope, depth), ...named(name)];
    return found.length > 0 ? found : [ANY];
  }

  /** The patterns of the `root` or `alias` in force. One that is empty begins with a random byte. */
  function rootsOf(scope: Point, depth = 0): readonly string[] {
    const [{ args }] = folderLine(scope.context);
    return expand(args[0] ?? '', scope, depth).flatMap((folder) => {
      if (/^[/\uE001-\uE004]/.test(folder)) return [folder];
      const prefixes = http.prefixes.length > 0 ? http.prefixes : [PREFIX];
      return folder === '' ? [ANY] : prefixes.map((prefix) => join(prefix, '/', folder));
    });
  }

  /** The values of `set`. Without an unconditional one, the variable can be empty. */
  function assigned(name: string, { context, uri }: Point, depth: number): readonly string[] {
    const isIt = ({ name: own, args }: Directive) =>
      own === 'set' && args[0]?.toLowerCase() === `$${name}`;
    const lines = (block: Context) => block.block.filter(isIt);
    const location = locationOf(context);
    const own = location === server || lines(location).length === 0 ? blocks : blocksOf(location);
    const found = own.flatMap((block) =>
      lines(block).flatMap(({ args: [, value = ''] }) =>
        expand(value, { context: block, uri }, depth),
      ),
    );
    const isSure = [server, location].some((block) => block.sure.some(isIt));
    return found.length > 0 && !isSure ? [...found, ''] : found;
  }

  /** The values of `map`, `geo` and `split_clients`. */
  function chosen(name: string, scope: Point, depth: number): readonly string[] {
    return http.own('map', 'geo', 'split_clients').flatMap(({ args, block = [], name: kind }) => {
      if (args.at(-1)?.toLowerCase() !== `$${name}`) return [];
      const subject = subjectOf(args[0]);
      const lines = block.filter(({ name: key }) => !NO_VALUE.has(key));
      const values = lines.flatMap(({ name: key, args: [value = ''] }) => {
        const text = value.replace(/\$([1-9])/g, (_, group) => captured(key, group, subject) ?? '');
        return expand(text, scope, depth);
      });
      const hasDefault = lines.some(({ name: key }) => key === 'default' || key === '*');
      return hasDefault || kind === 'split_clients' ? values : [...values, ''];
    });
  }

  /** The values of a group with a name, in any regex of the configuration. */
  function named(name: string): readonly string[] {
    const isGroup = new RegExp(`\\(\\?(P?<|')${name}[>']`, 'i');
    return [...maps, ...blocks.flatMap(regexesOf)].flatMap(({ regex, subject }) => {
      if (!isGroup.test(regex)) return [];
      const [, own = ''] = /\(\?(?:P?<|')(\w+)[>']/.exec(regex.slice(regex.search(isGroup))) ?? [];
      return captured(regex, own, subject) ?? ANY;
    });
  }

  /** A group with a number, of each regex that nginx may have used last. That of a map counts, too. */
  function numbered(number: string, { context }: Point): readonly string[] {
    const location = locationOf(context);
    const own = blocksOf(location);
    const words = own.flatMap((block) => [block, ...block.block]).map((one) => one.words);
    const used = maps.filter(({ variable }) => words.some((text) => text.includes(variable)));
    const isRegex = location.modifier.startsWith('~');
    const all = [...own, ...(isRegex ? [] : blocksOf(server))].flatMap(regexesOf);
    const found = [...used, ...all].flatMap(
      ({ regex, subject }) => captured(regex, number, subject) ?? [],
    );
    return found.length > 0 ? found : [ANY];
  }

  return { expand, rootsOf };
}

/** Lines of these blocks that are not values. */
const NO_VALUE = new Set(['volatile', 'hostnames', 'ranges', 'proxy', 'proxy_recursive', 'delete']);

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

/** The regexes that nginx uses for the requests of a block. Without a subject, they are for the URI. */
function regexesOf(block: Context) {
  const { modifier, path } = block as Location;
  const [, variable, condition = ''] =
    /^\( *(\$\w+) +~\*? +([\s\S]*?) *\)$/.exec(block.args.join(' ')) ?? [];
  const names = block.own('server_name').flatMap(({ args }) => args);
  return [
    ...(block.name === 'if' ? [{ regex: condition, subject: subjectOf(variable) }] : []),
    ...(block.name === 'location' && modifier.startsWith('~')
      ? [{ regex: path, subject: undefined }]
      : []),
    ...names.filter((name) => name.startsWith('~')).map((name) => ({ regex: name, subject: NAME })),
    ...block.own('rewrite').map(({ args: [regex = ''] }) => ({ regex, subject: undefined })),
  ];
}

/** What a group can capture from a text: a host name has no slash and no `..`. Undefined: it is the URI. */
function subjectOf(text = ''): string | undefined {
  if (/^\$\{?(uri|document_uri)\}?$/.test(text)) return undefined;
  return /^\$\{?((http_)?host|server_name)\}?$/.test(text) ? NAME : ANY;
}

/** The pattern of the URIs that nginx handles in a location. With `~*`, their beginning has no certain case. */
export function uriOf({ modifier, path }: Location): string {
  if (modifier === '=') return path;
  const start = modifier === '~' ? beginningOf(path) : path;
  if (/^[@?]|\*/.test(modifier) || start === '') return `/${PATH}`;
  return start + (start.endsWith('/') ? PATH : CUT_PATH);
}
