import { dirname } from 'node:path';
import type { Context, Directive, Http, Location } from './context.ts';
import type { Disk } from './disk.ts';
import { ANY, constantOf, PATH, reaches, spellings } from './pattern.ts';
import {
  blocksOf,
  createVariables,
  folderLine,
  locationOf,
  uriOf,
  type Variables,
} from './variables.ts';

/** Files that a block can serve. */
export interface Way {
  /** The line that decides which files. */
  readonly at: Directive;
  /** The pattern of their paths. */
  readonly file: string;
  /** The beginning of their URIs, if the rest of the path is the rest of the URI. */
  readonly start?: string;
  /** The rest of the URI begins with `..`. */
  readonly isUp?: true;
  /** The symbolic link that leads to them. */
  readonly link?: string;
}

/** A block that serves files itself, and all files that it can serve. */
export interface Server {
  readonly context: Context;
  readonly ways: readonly Way[];
  /** What the doctor could not see on the disk. */
  readonly unseen: ReadonlyArray<{ readonly at: Directive; readonly what: string }>;
}

/** The blocks of these locations that serve files: they neither return nor pass each request on. */
export function serversOf(
  http: Http,
  locations: readonly Location[],
  disk: Disk | undefined,
): readonly Server[] {
  const all = new Map(http.servers.map((one) => [one, createVariables(http, one)]));
  return locations.flatMap((location) => {
    const variables = all.get(location.server);
    if (variables === undefined) return [];
    return blocksOf(location).flatMap((context) => {
      // If a server block always responds, nginx reaches only the named locations of its error pages.
      const isLeft = location.modifier !== '@' && location.server.isHandled;
      const isHandled = context.isHandled || location.isHandled || isLeft;
      return isHandled ? [] : served(context, variables, disk);
    });
  });
}

function served(context: Context, variables: Variables, disk: Disk | undefined): Server {
  const plain = waysOf(context, variables).map((way) => ({ ...way, file: real(way.file, disk) }));
  const { args: follows = [] } = context.inForce('disable_symlinks') ?? {};
  // In a folder with a variable, `$document_root` can be the path of the whole file.
  const below = folderLine(context)[0].words.includes('$') ? '' : '( from=\\$document_root)?';
  const isFollowed = !new RegExp(`^on${below}$`).test(follows.join(' '));
  const folders =
    isFollowed && disk ? plain.filter(({ file }) => /^\/.*[\uE000-\uE003]/.test(file)) : [];
  const unseen: Array<Server['unseen'][number]> = [];
  const linked = folders.flatMap(({ at, file, start }) => {
    const fixed = constantOf(file);
    const top = fixed.endsWith('/') && fixed !== '/' ? fixed.slice(0, -1) : dirname(fixed);
    const found = disk?.links(top);
    for (const what of found?.unseen ?? []) unseen.push({ at, what });
    return (found?.links ?? []).map(({ path, to, isFolder }) => {
      const rest = `${path}${isFolder ? '/' : ''}`.slice(fixed.length);
      const uri = start !== undefined && path.startsWith(fixed) ? { start: start + rest } : {};
      return { at, file: isFolder ? `${to}/${PATH}` : to, link: path, ...uri };
    });
  });
  return { context, ways: [...plain, ...linked], unseen };
}

/** A pattern whose constant folder has no symbolic link, or a constant file that is none. */
function real(file: string, disk: Disk | undefined): string {
  const fixed = constantOf(file);
  const whole = fixed === file ? disk?.real(file) : undefined;
  if (whole !== undefined) return whole;
  const folder = fixed.replace(/[^/]*$/, '');
  const found = folder === '' ? undefined : disk?.real(folder);
  return found === undefined ? file : found.replace(/\/?$/, '/') + file.slice(folder.length);
}

export function waysOf(context: Context, variables: Variables): readonly Way[] {
  const [at, from] = folderLine(context);
  const location = locationOf(context);
  const uri = uriOf(location);
  const scope = { context, uri };
  const start = constantOf(uri);
  const base = [{ at, uri, start }];
  // With an alias, nginx answers 500 after a rewrite.
  const rewritten = at.name === 'alias' ? [] : rewrites(context, location);
  const tried = context === location ? location.own('try_files') : [];
  const others = [
    ...rewritten.flatMap((line) => expanded(line, line.args[1])),
    ...tried.flatMap((line) => line.args.slice(0, -1).flatMap((arg) => expanded(line, arg))),
  ];
  function expanded(line: Directive, text = '') {
    const found = variables.expand(text.replace(/\?.*|\$\{?is_args.*/s, ''), scope);
    return found.map((one) => ({ at: line, uri: one }));
  }
  const isAlias = at.name === 'alias';
  const ways = variables.rootsOf(scope).flatMap((folder) =>
    [...base, ...others].flatMap((one): readonly Way[] => {
      const isTried = one.at !== at;
      const file = folder + (isAlias ? restOf(one.uri, from as Location, isTried) : one.uri);
      const inside = constantOf(spellings(constantOf(file) + PATH)[0] ?? '');
      return spellings(file).map((spelled) => {
        const isUp = spelled !== ANY && !constantOf(spelled).startsWith(inside);
        const isRest = 'start' in one && /^[^\uE000-\uE004]*[\uE001\uE003]?$/.test(file);
        const begin = isRest ? { start: one.start + (isUp ? '../' : '') } : {};
        return { at: one.at, file: spelled, ...begin, ...(isUp && { isUp: true as const }) };
      });
    }),
  );
  return [...new Map(ways.toReversed().map((way) => [way.file, way])).values()].toReversed();
}

/** What nginx adds to an alias: the rest of the URI, but nothing if the location is a regex. */
function restOf(uri: string, from: Location, isTried: boolean): string {
  const { isPrefix, path } = from;
  if (!isPrefix) return isTried ? uri : '';
  if (uri.startsWith(path)) return uri.slice(path.length);
  return isTried ? uri : uriOf(from).slice(path.length);
}

/** The rewrites after which nginx serves a file from the same location. */
function rewrites(context: Context, location: Location): readonly Directive[] {
  const blocks = context === location ? [location] : [location, context];
  const hasBreak = blocks.some((block) => block.has('break'));
  return blocks
    .flatMap((block) => block.own('rewrite'))
    .filter(({ args: [, to = '', flag] }) =>
      flag === undefined ? hasBreak && !/^(https?:|\$scheme)/.test(to) : flag === 'break',
    );
}

/** A text that is the URI of an internal redirect, with the line. */
export interface Redirect {
  readonly at: Directive;
  readonly uri: string;
}

/** The URIs to which a block can redirect internally: the names of named locations, and patterns. */
export function redirectsOf(block: Context, variables: Variables): readonly Redirect[] {
  const location = locationOf(block);
  const scope = { context: block, uri: uriOf(location) };
  const last = [...block.own('try_files'), ...block.effective('error_page')].map(
    (at) => [at, at.args.at(-1) ?? ''] as const,
  );
  const pages = block
    .effective('index')
    .flatMap((at) => at.args.flatMap((one) => (one.startsWith('/') ? [[at, one] as const] : [])));
  const moved = block
    .own('rewrite')
    // After a `break` in the server block, nginx selects a location.
    .filter(
      ({ args: [, , flag = ''] }) =>
        !/^(redirect|permanent)$/.test(flag) && (flag !== 'break' || location === location.server),
    )
    .map((at) => [at, at.args[1] ?? ''] as const);
  return [...last, ...pages, ...moved].flatMap(([at, text]) => {
    if (/^(=|https?:|\$scheme)/.test(text)) return [];
    const found = variables.expand(text.replace(/\?.*|\$\{?is_args.*/s, ''), scope);
    return found.map((uri) => ({ at, uri }));
  });
}

/** Whether a redirect can lead to a location. */
export function leadsTo({ uri }: Redirect, location: Location): boolean {
  if (location.modifier === '@') return uri === location.path || uri.startsWith(ANY);
  return reaches(uri, constantOf(uriOf(location))) || uri === location.path;
}
