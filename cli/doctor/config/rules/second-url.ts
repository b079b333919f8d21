import { posix } from 'node:path';
import {
  type Context,
  effective,
  type Http,
  inForce,
  type Location,
  own,
  prefixMatch,
  regexRivals,
  type Server,
  title,
  titleAt,
  turnedOn,
  withNested,
} from '../context.ts';
import { type Directive, isHandled, named } from '../directive.ts';
import type { SiteConfig } from '../site.ts';
import type { Trap } from '../trap.ts';

/** Files of an internal location that another root or alias of the site also serves. */
export function secondUrl(site: SiteConfig): readonly Trap[] {
  return site.internals.flatMap((location) => otherUrls(location, site));
}

function otherUrls(location: Location, { http, gates, internals }: SiteConfig): readonly Trap[] {
  const isProxy = own(location, 'proxy_pass').length > 0;
  const { own: served } = folderOf(location) ?? {};
  if (isProxy || served === undefined) return [];
  const files = served.path.replace(/\/?$/, '/');
  const isOurs = (context: Location | Server) =>
    internals.some((one) => one === context) || gates.some((gate) => gate.location === context);
  const others = contextsOf(http).filter((context) => !isOurs(context));
  return others
    .filter((context) => serves(context))
    .flatMap((context) => {
      const folder = folderOf(context);
      const uri = folder && uriOf(files, folder);
      if (folder === undefined || uri === undefined || !isReachable(context, uri, others))
        return [];
      const { at } = folder;
      return {
        at,
        seen: `${at.name} ${at.args[0]} in ${'path' in context ? title(context) : 'the server block'}: files of ${titleAt(location)} are at ${uri}`,
        why: 'The same files have a second URL that needs no token.',
        fix: `keep the files outside of every root of the site: use another folder in alias, or add location ^~ ${uri} { return 404; }`,
      };
    });
}

function contextsOf({ servers }: Http): readonly (Location | Server)[] {
  return servers.flatMap((server) => [server, ...withNested(server.locations)]);
}

/** Whether the context serves a URI: directly, or because the site redirects there internally. */
function isReachable(
  context: Location | Server,
  uri: string,
  others: readonly (Location | Server)[],
): boolean {
  if (!('modifier' in context)) return leadsTo(context, uri);
  const { modifier, path, server } = context;
  const here = others.filter((other) => other === server || isIn(other, server));
  if (modifier === '@') {
    return here.some((other) => leadsTo(other, uri) && sendsTo(other, (to) => to === path));
  }
  if (inForce(context, 'internal') === undefined) return leadsTo(context, uri);
  // Without a variable it is a single page, such as an error page.
  return here.some((other) =>
    sendsTo(other, (to) => to.includes('$') && `${to.slice(0, to.indexOf('$'))}/`.startsWith(path)),
  );
}

function isIn(context: Location | Server, server: Server): boolean {
  return 'server' in context && context.server === server;
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
  if (files.startsWith(tree.path)) return tree.uri + files.slice(tree.path.length);
  return own.path.startsWith(files) ? own.uri : undefined;
}

function leadsTo(context: Location | Server, uri: string): boolean {
  const server = 'server' in context ? context.server : context;
  const best = prefixMatch(server, uri) ?? prefixMatch(server, uri.slice(0, -1));
  if (!('modifier' in context) || !context.modifier.startsWith('~'))
    return (best ?? server) === context;
  if (best?.modifier === '^~' || best?.modifier === '=') return false;
  const around = context.parent === server ? server : { locations: [context] };
  return regexRivals(around, uri).includes(context);
}

/** Whether a client gets a file there without any check. */
function serves(context: Location | Server): boolean {
  if (isHandled(context.block)) return false;
  const rules = addressRules(context);
  const asks = ['auth_request', 'auth_jwt'].some((name) => turnedOn(context, name) !== undefined);
  const wantsPassword =
    turnedOn(context, 'auth_basic') !== undefined &&
    inForce(context, 'auth_basic_user_file') !== undefined;
  const denies = deniesAll(rules);
  if (inForce(context, 'satisfy')?.args[0] !== 'any') return !(denies || asks || wantsPassword);
  return rules.length > 0 ? !denies : !(asks || wantsPassword);
}

/** `allow` and `deny` replace each other's inherited lines. */
function addressRules(context: Context): readonly Directive[] {
  const here = context.block.filter(({ name }) => name === 'allow' || name === 'deny');
  return here.length > 0 || context.parent === undefined ? here : addressRules(context.parent);
}

/** The first line that matches counts, and an address that no line matches is allowed: a single `deny` of one address protects nothing. */
function deniesAll(rules: readonly Directive[]): boolean {
  return rules.find(({ args }) => args[0] === 'all')?.name === 'deny';
}

/** A folder or a file, and the URI under which it is served. */
interface Served {
  readonly path: string;
  readonly uri: string;
}

/** The folder that an `alias` or `root` in force gives to a context. */
interface Folder {
  /** The `alias` or `root`. */
  readonly at: Directive;
  /** The whole tree that it opens, whether or not its URIs lead here. */
  readonly tree: Served;
  /** The folder of the context's own URI. */
  readonly own: Served;
}

/** Undefined if there is none, or if its name contains variables. */
function folderOf(context: Location | Server): Folder | undefined {
  const line = nearest(context);
  const name = line?.at.args[0];
  if (line === undefined || name === undefined || name.includes('$')) return undefined;
  const { at, from } = line;
  const isRegex = 'modifier' in context && context.modifier.startsWith('~');
  const isNamed = 'modifier' in context && context.modifier === '@';
  const uri = isRegex || isNamed || !('path' in context) ? '/' : context.path;
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
function nearest(context: Context): { at: Directive; from: Context } | undefined {
  const [at] = [...named(context.block, 'alias'), ...named(context.block, 'root')];
  if (at !== undefined) return { at, from: context };
  return context.parent && nearest(context.parent);
}

function slashed(path: string): string {
  return posix.normalize(`${path}/`);
}
