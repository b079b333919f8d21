import { posix } from 'node:path';
import { type Context, type Directive, type Location, quoted } from '../context.ts';
import type { Disk } from '../disk.ts';
import type { SiteConfig, Trap } from '../site.ts';

/** Files of an internal location that another root, alias or symbolic link of the site also serves. */
export function secondUrl(site: SiteConfig): readonly Trap[] {
  const others = othersOf(site);
  return site.internals.flatMap((location) => {
    const folder = location.has('proxy_pass') ? undefined : folderOf(location, site.disk);
    const what = `files of ${location.titleAt}`;
    return folder === undefined ? [] : urlsOf(folder.own.path, what, others, site.disk);
  });
}

/** The blocks besides the public and internal locations. */
export function othersOf({ http, gates, internals }: SiteConfig): readonly Location[] {
  return http.blocks.filter((one) => ![...internals, ...gates].includes(one));
}

export function urlsOf(
  path: string,
  what: string,
  others: readonly Location[],
  disk: Disk | undefined,
): readonly Trap[] {
  return others.filter(serves).flatMap((context) => {
    const folder = folderOf(context, disk);
    if (folder === undefined) return [];
    const [first, ...more] = [folder, ...linksIn(folder, context, disk)].flatMap((one) => {
      const uri = uriOf(slashed(path), one);
      return uri !== undefined && isReachable(context, uri, others) ? [{ ...one, uri }] : [];
    });
    if (first === undefined) return [];
    const { at, link, uri } = first;
    const where = context === context.server ? 'the server block' : context.words;
    const rest = link !== undefined && more.length > 0 ? ` and ${more.length} more` : '';
    // A link to a folder above it has any number of URLs.
    const isLoop = link !== undefined && folder.own.path.startsWith(first.tree.path);
    const by = link === undefined ? '' : `, by the symbolic link ${link}${rest}`;
    return {
      at,
      seen: `${at.words} in ${where}: ${what} are at ${uri}${by}`,
      why: 'The same files have a second URL that needs no token. Keep them outside of each root and alias of the site.',
      fix:
        rest || isLoop
          ? `in ${context.titleAt}: disable_symlinks on from=$document_root;`
          : fixFor(context, uri, at),
    };
  });
}

/** A change that nginx accepts there, and that closes only this URL. */
function fixFor(context: Location, uri: string, at: Directive): string {
  const { server } = context;
  const isFolder = uri.endsWith('/');
  const isTaken = server.locations.some(
    ({ path, modifier, isPrefix }) => path === uri && (isFolder ? isPrefix : modifier === '='),
  );
  const isHere = isTaken || rewritesTo(context, uri);
  // A `return` would close the whole site.
  if (uri === '/' || (isHere && context === server)) {
    return `instead of this line: ${at.name} /srv/www/;`;
  }
  if (isHere) return `in ${context.titleAt}: return 404;`;
  return `in ${server.titleAt}: location ${isFolder ? '^~' : '='} ${quoted(uri)} { return 404; }`;
}

/** Whether the context serves a URI: directly, or because the site redirects there internally. */
function isReachable(context: Location, uri: string, others: readonly Location[]): boolean {
  const { modifier, path, server } = context;
  // An exact location of a folder does not serve its files.
  const exact = server.locations.find(
    (one) => one.modifier === '=' && one.path === uri && !uri.endsWith('/'),
  );
  const selected = exact ? [exact] : server.candidates(uri);
  const here = others.filter((other) => other.server === server);
  if (rewritesTo(context, uri)) return true;
  if (modifier === '@') {
    return here.some((other) => selected.includes(other) && sendsTo(other, (to) => to === path));
  }
  if (context.inForce('internal') === undefined) return selected.includes(context);
  // A file name without a variable is a single page, such as an error page.
  return here.some((other) =>
    sendsTo(other, (to) => to.includes('$') && `${to.slice(0, to.indexOf('$'))}/`.startsWith(path)),
  );
}

/** Whether the context serves files of a folder for requests for other URIs. */
function rewritesTo(context: Location, folder: string): boolean {
  const to = [
    ...[context, ...context.own('if')]
      .flatMap((block) => block.own('rewrite'))
      .flatMap(({ args }) => (args[2] === 'break' ? args.slice(1, 2) : [])),
    ...context.effective('try_files').flatMap(({ args }) => args.slice(0, -1)),
  ];
  return to.some((text) => {
    // `$uri` is the URI of the request itself.
    if (/^(\$\{?(uri|document_uri|request_uri|request_filename)\b|$)/.test(text)) return false;
    const [fixed = '', ...more] = text.split('$');
    return fixed.startsWith(folder) || (more.length > 0 && folder.startsWith(fixed));
  });
}

function sendsTo(context: Context, isThere: (to: string) => boolean): boolean {
  const last = ['try_files', 'error_page'].flatMap((name) => context.effective(name));
  return (
    last.some(({ args }) => isThere(args.at(-1) ?? '')) ||
    context.own('rewrite').some(({ args }) => isThere(args[1] ?? ''))
  );
}

/** The URI under which the other folder serves the files, or some of them. */
function uriOf(files: string, { tree, own }: Folder): string | undefined {
  if (own.path.startsWith(files)) return own.uri;
  return files.startsWith(tree.path) ? tree.uri + files.slice(tree.path.length) : undefined;
}

/** Whether a client gets a file there without any check. */
function serves(context: Context): boolean {
  if (context.isHandled) return false;
  const isOn = (name: string) => context.turnedOn(name) !== undefined;
  const wantsPassword = isOn('auth_basic') && context.inForce('auth_basic_user_file') !== undefined;
  const checks = isOn('auth_request') || isOn('auth_jwt') || wantsPassword;
  // `allow` and `deny` replace each other's inherited lines.
  const rules = context.effective('allow', 'deny');
  // The first line that matches counts, and nginx allows an address that no line matches.
  const denies = rules.find(({ args }) => args[0] === 'all')?.name === 'deny';
  if (context.firstWord('satisfy') !== 'any') return !(denies || checks);
  return rules.length > 0 ? !denies : !checks;
}

/** A folder or a file, and the URI under which it is served. */
interface Served {
  readonly path: string;
  readonly uri: string;
}

/** The folder that an `alias` or `root` in force gives to a context, or a link in it. */
interface Folder {
  readonly at: Directive;
  readonly link?: string;
  /** The whole tree that it opens, whether or not its URIs lead here. */
  readonly tree: Served;
  readonly own: Served;
}

/** Undefined if there is none, or if `unclear` names it. */
function folderOf(context: Location, disk: Disk | undefined): Folder | undefined {
  const { at, from } = nearest(context) ?? {};
  const name = at?.args[0];
  if (at === undefined || from === undefined || name === undefined) return undefined;
  if (name.includes('$') || isUnclearAlias(context, at, from)) return undefined;
  const real = (path: string) => disk?.real(path) ?? path;
  const uri = /^[~@]/.test(context.modifier) ? '/' : context.path;
  const path = at.name === 'root' ? '' : (from as Location).path;
  const below = posix.normalize(
    at.name === 'root' ? `${name}/${uri}` : name + uri.slice(path.length),
  );
  return {
    at,
    tree: { path: slashed(real(name)), uri: slashed(path) },
    own: { path: below.endsWith('/') ? slashed(real(below)) : real(below), uri },
  };
}

/** The captures of a regex are variables, too, and `nginx -t` does not check whether an alias is allowed here. */
function isUnclearAlias({ modifier, server }: Location, at: Directive, from: object): boolean {
  const isAbove = from === server || !('path' in from);
  return at.name === 'alias' && (modifier.startsWith('~') || isAbove);
}

/** Lines of a context that serves files, and whose folder is unknown. */
export function unclear(context: Location): readonly string[] {
  if (!serves(context)) return [];
  const { at, from } = nearest(context) ?? {};
  const inIf = context.own('if').flatMap((one) => one.own('root', 'alias'));
  const isClear =
    at === undefined ||
    from === undefined ||
    (/^\/[^$]*$/.test(at.args[0] ?? '') && !isUnclearAlias(context, at, from));
  return [...inIf, ...(isClear ? [] : [at])].map((line) => `files below ${line.titleAt}`);
}

/** The links in a folder that nginx follows, as folders. */
function linksIn({ at, own }: Folder, context: Location, disk: Disk | undefined) {
  if (context.firstWord('disable_symlinks') === 'on') return [];
  const top = own.path.replace(/(?<=.)\/$/, '');
  return (disk?.links(top) ?? []).map(({ path, to, isFolder }) => {
    const end = isFolder ? '/' : '';
    const uri = slashed(own.uri) + path.slice(slashed(top).length) + end;
    const served = { path: to + end, uri };
    return { at, link: path, tree: served, own: served };
  });
}

/** `root` and `alias` replace each other. Only locations can have an alias. */
function nearest(context: Context): { at: Directive; from: Context } | undefined {
  const [at] = [...context.own('alias'), ...context.own('root')];
  if (at !== undefined) return { at, from: context };
  return context.parent && nearest(context.parent);
}

function slashed(path: string): string {
  return posix.normalize(`${path}/`);
}
