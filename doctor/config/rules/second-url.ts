import { posix } from 'node:path';
import { isForEverybody } from '../addresses.ts';
import { type Context, type Directive, type Location, quoted } from '../context.ts';
import { ANY, constantOf, PATH, reaches } from '../pattern.ts';
import type { SiteConfig, Trap } from '../site.ts';
import { blocksOf, createVariables, folderLine, locationOf } from '../variables.ts';
import { leadsTo, redirectsOf, type Server, serversOf, type Way } from '../ways.ts';

const WHY =
  'The same files have a second URL that needs no token. Keep them outside of each root and alias of the site.';

/** Protected files that another block of the site also serves. */
export function secondUrl(site: SiteConfig): readonly Trap[] {
  const { http, folders, disk, internals } = site;
  const others = othersOf(site);
  const servers = folders.length > 0 ? serversOf(http, others, disk) : [];
  const found = servers.flatMap((server) => [
    ...folders.flatMap((folder) => urlOf(server, folder, others, site) ?? []),
    ...unclear(server),
  ]);
  // No URL can be found for files whose folder is unknown.
  const own = serversOf(http, internals, undefined);
  found.push(...own.flatMap((one) => unclear(one, (file) => constantOf(file).length < 2)));
  // One change closes all URLs that it names, and those of an `if` beside it.
  return found.filter(({ fix }, index) => index === found.findIndex((one) => one.fix === fix));
}

/** The blocks besides the public and internal locations, those in them, and the snippets. */
export function othersOf({ http, gates, internals, snippets }: SiteConfig): readonly Location[] {
  const ours = new Set([...internals, ...gates].flatMap((one) => one.nested));
  const files = new Set(snippets.map(({ file }) => file));
  return http.blocks.filter((one) => !ours.has(one) && !files.has(one.file));
}

/** A way to the files, and how surely a request gets there. */
interface Reached {
  readonly way: Way;
  readonly uri?: string;
  readonly by: 'request' | 'perhaps';
}

function urlOf(
  { context, ways }: Server,
  { path, what }: SiteConfig['folders'][number],
  others: readonly Location[],
  site: SiteConfig,
): Trap | undefined {
  const all = ways.flatMap((way): readonly Reached[] => {
    const { file, start } = way;
    if (file.includes(ANY) || !(reaches(file, path) || `${file}/` === path)) return [];
    const fixed = constantOf(file);
    const isChosen = fixed.startsWith(path) || file === fixed + PATH;
    const below = path.startsWith(fixed) ? path.slice(fixed.length) : '';
    const uri = isChosen && start !== undefined ? start + below : undefined;
    const by = reachedBy(context, uri, others, site);
    if (by === undefined) return [];
    return [{ way, by: isChosen ? by : 'perhaps', ...(uri !== undefined && { uri }) }];
  });
  const sure = all.filter(({ by }) => by === 'request');
  const [first, ...more] = sure.length > 0 ? sure : all;
  if (first === undefined) return undefined;
  const { way, uri, by } = first;
  const location = locationOf(context);
  const block = context.block.includes(way.at) ? context : location;
  const where = block === location.server ? 'the server block' : block.words;
  const links = more.filter(({ way: other }) => other.link !== undefined).length;
  const rest = way.link !== undefined && links > 0 ? ` and ${links} more` : '';
  const isLoop = way.link?.startsWith(constantOf(way.file));
  const link = way.link === undefined ? '' : `, by the symbolic link ${way.link}${rest}`;
  const at = uri === undefined ? '' : ` at ${uri}`;
  const seen =
    by === 'request'
      ? `${way.at.words} in ${where}: ${what} are${at || ' there'}${link}`
      : `${way.at.words} in ${where} can serve ${what}${at}${link}`;
  return {
    at: isBeside(way, location) ? location : way.at,
    seen,
    why: by === 'request' ? WHY : whyPerhaps(context),
    fix:
      rest || isLoop
        ? `in ${location.titleAt}: disable_symlinks on from=$document_root;`
        : fixFor(context, way, uri, path),
    ...(by === 'perhaps' && { verdict: 'question' as const }),
  };
}

function whyPerhaps(context: Context): string {
  return locationOf(context).inForce('internal') === undefined
    ? 'Which files it serves depends on the request.'
    : 'No client can request this location, but a page with SSI, or an X-Accel-Redirect of an application, leads to it. Postern does not check these requests.';
}

/** Blocks whose folder depends on what the doctor cannot see. */
function unclear(
  { context, ways, unseen }: Server,
  isUnknown = (file: string) => file.includes(ANY),
): readonly Trap[] {
  if (isGuarded(context)) return [];
  const lines = ways.filter(({ file }) => isUnknown(file)).map(({ at }) => at);
  const unknown = [...new Set(lines)].map((at) => ({
    at,
    seen: `files below ${at.titleAt}, of which the doctor does not know the folder`,
    why: 'A variable in it has a value that the client or a program chooses, or no value: then the folder is /.',
    fix: 'write a constant folder, or variables that are constant by set or map',
    verdict: 'question' as const,
  }));
  const hidden = unseen.map(({ at, what }) => ({
    at,
    seen: what,
    why: 'A symbolic link there can lead to the protected files.',
    fix: 'run the doctor as root, or write disable_symlinks on; for this folder',
    verdict: 'question' as const,
  }));
  return [...unknown, ...hidden];
}

/** Whether the way leads out of the folder of an `alias`, because its location does not end with a slash. */
function isBeside({ at, isUp }: Way, { isPrefix }: Location): boolean {
  return isUp === true && at.name === 'alias' && isPrefix;
}

/** A change that nginx accepts there, and that closes only this URL. */
function fixFor(context: Context, way: Way, uri: string | undefined, files: string): string {
  const { at } = way;
  const location = locationOf(context);
  const { server } = location;
  if (isBeside(way, location)) {
    const { modifier, path } = location;
    return `instead of this line: location ${modifier && `${modifier} `}${quoted(`${path}/`)} {`;
  }
  const isFor =
    uri === undefined ||
    posix.normalize(`${constantOf(at.args[0] ?? '')}/`).startsWith(files) ||
    location.path === uri;
  if (context !== location && context.block.includes(at)) return `delete ${context.titleAt}`;
  // The location has no other use. With a `return`, its files would not be available with a token either.
  if (location !== server && location.block.includes(at) && isFor)
    return `delete ${location.titleAt}`;
  const isFolder = uri?.endsWith('/');
  const isTaken = server.locations.some(
    ({ path, modifier, isPrefix }) => path === uri && (isFolder ? isPrefix : modifier === '='),
  );
  if (uri === undefined || uri === '/' || isTaken) {
    // The default of nginx is in no line.
    if (!folderLine(context)[1].own('root', 'alias').length)
      return `in ${server.titleAt}: root /srv/www/;`;
    return `instead of this line: ${/root|alias/.test(at.name) ? at.name : 'root'} /srv/www/;`;
  }
  return `in ${server.titleAt}: location ${isFolder ? '^~' : '='} ${quoted(uri)} { return 404; }`;
}

/** Whether nginx selects the block for a URI below this one: for a request, or by an internal redirect. */
function reachedBy(
  context: Context,
  uri: string | undefined,
  others: readonly Location[],
  { http, gates, internals }: SiteConfig,
): Reached['by'] | undefined {
  const location = locationOf(context);
  const { server, modifier } = location;
  const ofServer = (all: readonly Location[]) => all.filter((one) => one.server === server);
  const here = ofServer(others);
  const redirecting = [...here, ...ofServer([...gates, ...internals])];
  const selected = uri === undefined ? redirecting : candidates(server, uri);
  const isInternal = location.inForce('internal') !== undefined;
  const usesSsi = here.flatMap(blocksOf).some(includesPages);
  if (isGuarded(context)) return usesSsi ? 'perhaps' : undefined;
  if (modifier !== '@' && !isInternal) return selected.includes(location) ? 'request' : undefined;
  const variables = createVariables(http, server);
  const isSent = redirecting
    .filter((one) => modifier !== '@' || selected.includes(one))
    .flatMap(blocksOf)
    .flatMap((block) => redirectsOf(block, variables))
    .some((redirect) => leadsTo(redirect, location));
  if (isSent) return 'request';
  if (modifier === '@') return undefined;
  return usesSsi || here.some(obeysXAccel) ? 'perhaps' : undefined;
}

/** The locations for a URI. With `merge_slashes off`, another spelling of it is in another location. */
function candidates(server: Location, uri: string): readonly Location[] {
  // An exact location of a folder does not serve its files.
  const exact = server.locations.find(
    (one) => one.modifier === '=' && one.path === uri && !uri.endsWith('/'),
  );
  if (server.firstWord('merge_slashes') === 'off') return server.nested;
  return exact ? [exact] : server.candidates(uri);
}

/** Whether an application can send a request to an internal location. */
function obeysXAccel(location: Location): boolean {
  return blocksOf(location).some(
    (block) =>
      block.block.some(({ name }) => /^(content_by_lua\w*|js_content|perl)$/.test(name)) ||
      block
        .own('proxy_pass', 'fastcgi_pass', 'uwsgi_pass', 'scgi_pass', 'grpc_pass')
        .some((line) => {
          const name = `${line.name.replace('_pass', '')}_ignore_headers`;
          const ignored = block.effective(name).flatMap(({ args }) => args);
          return !ignored.some((header) => header.toLowerCase() === 'x-accel-redirect');
        }),
  );
}

/** Whether nginx puts other pages of the site into a response, without any check of access. */
function includesPages(block: Context): boolean {
  const names = ['ssi', 'add_before_body', 'add_after_body'];
  return names.some((name) => !/^(off|)$/.test(block.firstWord(name) ?? ''));
}

/** Whether the site itself checks each request, for example by a password. */
function isGuarded(context: Context): boolean {
  const asks = context.turnedOn('auth_request')?.args[0];
  const asked = locationOf(context).server.prefixMatch(asks ?? '');
  // A location that returns 200, or sends a file, allows each request.
  const isAsked =
    asked?.isHandled && !asked.own('return').some(({ args }) => /^2/.test(args[0] ?? ''));
  // A variable can turn it off.
  const wantsPassword =
    !/^off$|\$/.test(context.firstWord('auth_basic') ?? 'off') &&
    context.inForce('auth_basic_user_file') !== undefined;
  const checks = isAsked || context.turnedOn('auth_jwt') !== undefined || wantsPassword;
  // `allow` and `deny` replace each other's inherited lines.
  const rules = context.effective('allow', 'deny');
  // The first line that matches counts, and nginx allows an address that no line matches.
  const everybody = ({ name, args: [range = ''] }: Directive) =>
    range === 'all' || (name === 'allow' && isForEverybody(range));
  const denies = rules.find(everybody)?.name === 'deny';
  if (context.firstWord('satisfy') !== 'any') return denies || checks;
  return (rules.length > 0 ? denies : checks) && (checks || asks === undefined);
}
