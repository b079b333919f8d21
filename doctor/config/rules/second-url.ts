import { posix } from 'node:path';
import {
  type Context,
  candidates,
  effective,
  firstWord,
  has,
  inForce,
  type Location,
  own,
  title,
  titleAt,
  turnedOn,
  withNested,
} from '../context.ts';
import { type Directive, isHandled, named } from '../directive.ts';
import type { SiteConfig } from '../site.ts';
import type { Trap } from '../trap.ts';

/** Files of an internal location that another root or alias of the site also serves. */
export function secondUrl({ http, gates, internals }: SiteConfig): readonly Trap[] {
  const others = withNested(http.servers).filter(
    (context) => ![...internals, ...gates].includes(context),
  );
  return internals.flatMap((location) => otherUrls(location, others));
}

function otherUrls(location: Location, others: readonly Location[]): readonly Trap[] {
  const isProxy = has(location, 'proxy_pass');
  const { own: served } = folderOf(location) ?? {};
  if (isProxy || served === undefined) return [];
  const files = served.path.replace(/\/?$/, '/');
  return others.filter(serves).flatMap((context) => {
    const folder = folderOf(context);
    const uri = folder && uriOf(files, folder);
    if (folder === undefined || uri === undefined || !isReachable(context, uri, others)) return [];
    const { at } = folder;
    const where = context === context.server ? 'the server block' : title(context);
    return {
      at,
      seen: `${at.name} ${at.args[0]} in ${where}: files of ${titleAt(location)} are at ${uri}`,
      why: 'The same files have a second URL that needs no token.',
      fix: `keep the files outside of every root of the site: use another folder in alias, or location ^~ ${uri} { return 404; }`,
    };
  });
}

/** Whether the context serves a URI: directly, or because the site redirects there internally. */
function isReachable(context: Location, uri: string, others: readonly Location[]): boolean {
  const { modifier, path, server } = context;
  const selected = candidates(server, uri);
  const here = others.filter((other) => other.server === server);
  if (modifier === '@') {
    return here.some((other) => selected.includes(other) && sendsTo(other, (to) => to === path));
  }
  if (inForce(context, 'internal') === undefined) return selected.includes(context);
  // Without a variable it is a single page, such as an error page.
  return here.some((other) =>
    sendsTo(other, (to) => to.includes('$') && `${to.slice(0, to.indexOf('$'))}/`.startsWith(path)),
  );
}

function sendsTo(context: Context, isThere: (to: string) => boolean): boolean {
  const last = ['try_files', 'error_page'].flatMap((name) => effective(context, name));
  return (
    last.some(({ args }) => isThere(args.at(-1) ?? '')) ||
    own(context, 'rewrite').some(({ args }) => isThere(args[1] ?? ''))
  );
}

/** The URI under which the other folder serves the files, or some of them. */
function uriOf(files: string, { tree, own }: Folder): string | undefined {
  if (own.path.startsWith(files)) return own.uri;
  return files.startsWith(tree.path) ? tree.uri + files.slice(tree.path.length) : undefined;
}

/** Whether a client gets a file there without any check. */
function serves(context: Context): boolean {
  if (isHandled(context.block)) return false;
  const isOn = (name: string) => turnedOn(context, name) !== undefined;
  const wantsPassword =
    isOn('auth_basic') && inForce(context, 'auth_basic_user_file') !== undefined;
  const checks = isOn('auth_request') || isOn('auth_jwt') || wantsPassword;
  // `allow` and `deny` replace each other's inherited lines.
  const rules = effective(context, 'allow', 'deny');
  // The first line that matches counts, and nginx allows an address that no line matches.
  const denies = rules.find(({ args }) => args[0] === 'all')?.name === 'deny';
  if (firstWord(context, 'satisfy') !== 'any') return !(denies || checks);
  return rules.length > 0 ? !denies : !checks;
}

/** A folder or a file, and the URI under which it is served. */
interface Served {
  readonly path: string;
  readonly uri: string;
}

/** The folder that an `alias` or `root` in force gives to a context. */
interface Folder {
  readonly at: Directive;
  /** The whole tree that it opens, whether or not its URIs lead here. */
  readonly tree: Served;
  readonly own: Served;
}

/** Undefined if there is none, or if its name contains variables. */
function folderOf(context: Location): Folder | undefined {
  const { at, from } = nearest(context) ?? {};
  const name = at?.args[0];
  if (at === undefined || name === undefined || name.includes('$')) return undefined;
  const isRegex = context.modifier.startsWith('~');
  const uri = isRegex || context.modifier === '@' ? '/' : context.path;
  if (at.name === 'root') {
    const tree = { path: slashed(name), uri: '/' };
    return { at, tree, own: { path: posix.normalize(`${name}/${uri}`), uri } };
  }
  // The captures of a regex are variables too, and `nginx -t` has not checked whether an alias is allowed here.
  if (isRegex || from?.at.name !== 'location') return undefined;
  const { path } = from as Location;
  return {
    at,
    tree: { path: slashed(name), uri: slashed(path) },
    own: { path: posix.normalize(`${name}${uri.slice(path.length)}`), uri },
  };
}

/** `root` and `alias` replace each other. Only locations can have an alias. */
function nearest(context: Context): { at: Directive; from: Context } | undefined {
  const [at] = [...named(context.block, 'alias'), ...named(context.block, 'root')];
  if (at !== undefined) return { at, from: context };
  return context.parent && nearest(context.parent);
}

function slashed(path: string): string {
  return posix.normalize(`${path}/`);
}
