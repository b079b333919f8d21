import { posix } from 'node:path';
import { type Context, type Directive, type Http, type Location, quoted } from '../context.ts';
import { isGuarded } from '../guard.ts';
import { ANY, constantOf, PATH, reaches } from '../pattern.ts';
import type { SiteConfig, Trap } from '../site.ts';
import { blocksOf, createVariables, folderLine, locationOf } from '../variables.ts';
import { leadsTo, redirectsOf, type Server, serversOf, type Way } from '../ways.ts';

const WHY =
  'The same files have a second URL that needs no token. Keep them outside of each root and alias of the site.';

const WHY_PERHAPS = 'The request decides which files this location serves, and who gets them.';

const WHY_INTERNAL =
  'No client can request this location, but a page with SSI, or an X-Accel-Redirect of an application, leads to it. Postern does not check these requests.';

/** Protected files that another block of the site also serves. */
export function secondUrl(site: SiteConfig): readonly Trap[] {
  const { http, folders, disk, internals } = site;
  const others = othersOf(site);
  const servers = folders.length > 0 ? serversOf(http, others, disk) : [];
  const found = servers.flatMap((server) => [
    ...folders.flatMap((folder) => urlOf(server, folder, others, site) ?? []),
    ...unclear(server, http),
  ]);
  // No URL can be found for files whose folder is unknown.
  const own = serversOf(http, internals, undefined);
  found.push(...own.flatMap((one) => unclear(one, http, (file) => constantOf(file).length < 2)));
  // One change closes all URLs that it names, and those of an `if` beside it.
  return found.filter(({ fix }, index) => index === found.findIndex((one) => one.fix === fix));
}

/** The blocks besides the public and internal locations, those in them, and the snippets. */
export function othersOf({ http, gates, internals, snippets }: SiteConfig): readonly Location[] {
  const ours = new Set([...internals, ...gates].flatMap((one) => one.nested));
  const files = new Set(snippets.map(({ file }) => file));
  return http.blocks.filter((one) => !ours.has(one) && !files.has(one.file));
}

function urlOf(
  { context, ways }: Server,
  { path, what }: SiteConfig['folders'][number],
  others: readonly Location[],
  site: SiteConfig,
): Trap | undefined {
  const all = ways.flatMap((way) => {
    const { file, start } = way;
    if (file.includes(ANY) || !(reaches(file, path) || `${file}/` === path)) return [];
    const fixed = constantOf(file);
    const isChosen = fixed.startsWith(path) || file === fixed + PATH;
    const below = path.startsWith(fixed) ? path.slice(fixed.length) : '';
    const uri = isChosen && start !== undefined ? start + below : undefined;
    const by = reachedBy(context, uri, others, site);
    return by ? [{ way, uri, by: isChosen ? by : ('perhaps' as const) }] : [];
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
  const [old] = location.own('disable_symlinks');
  const isLoop = way.link?.startsWith(constantOf(way.file));
  const link = way.link === undefined ? '' : `, by the symbolic link ${way.link}${rest}`;
  const at = uri === undefined ? '' : ` at ${uri}`;
  return {
    at: isBeside(way, location) ? location : way.at,
    seen: `${way.at.words} in ${where}${by === 'request' ? `: ${what} are${at || ' there'}` : ` can serve ${what}${at}`}${link}`,
    why: by === 'request' ? WHY : location.inForce('internal') ? WHY_INTERNAL : WHY_PERHAPS,
    fix:
      (rest || isLoop) && !folderLine(context)[0].words.includes('$')
        ? `in ${location.titleAt}: disable_symlinks on from=$document_root;${old ? ` instead of: ${old.text}` : ''}`
        : fixFor(context, way, rest ? undefined : uri, path),
    ...(by === 'perhaps' && { verdict: 'question' as const }),
  };
}

/** Blocks whose folder depends on what the doctor cannot see. */
function unclear(
  { context, ways, unseen }: Server,
  http: Http,
  isUnknown = (file: string) => file.includes(ANY),
): readonly Trap[] {
  if (isGuarded(context, http)) return [];
  const lines = ways.filter(({ file }) => isUnknown(file)).map(({ at }) => at);
  return [
    ...[...new Set(lines)].map((at) => ({
      at,
      seen: `files below ${at.titleAt}, of which the doctor does not know the folder`,
      why: 'A variable in it has a value that the client or a program chooses, or no value: then the folder is /.',
      fix: 'write a constant folder, or variables that are constant by set or map',
    })),
    ...unseen.map(({ at, what }) => ({
      at,
      seen: what,
      why: 'A symbolic link there can lead to the protected files.',
      fix: 'run the doctor as root, or write disable_symlinks on; for this folder',
    })),
  ].map((trap) => ({ ...trap, verdict: 'question' as const }));
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
): 'request' | 'perhaps' | undefined {
  const location = locationOf(context);
  const { server, modifier } = location;
  const ofServer = (all: readonly Location[]) => all.filter((one) => one.server === server);
  const here = ofServer(others);
  const redirecting = [...here, ...ofServer([...gates, ...internals])];
  const isKnown = uri !== undefined && server.firstWord('merge_slashes') !== 'off';
  const selected = isKnown ? server.candidates(uri) : redirecting;
  const isInternal = location.inForce('internal') !== undefined;
  const usesSsi = here.flatMap(blocksOf).some(includesPages);
  if (isGuarded(context, http)) return usesSsi ? 'perhaps' : undefined;
  if (modifier !== '@' && !isInternal) {
    if (!selected.includes(location)) return undefined;
    return [location, server].some(({ sure }) => sure.some(isCheck)) ? 'perhaps' : 'request';
  }
  const variables = createVariables(http, server);
  const isSent = redirecting
    .filter((one) => modifier !== '@' || one.modifier === '@' || selected.includes(one))
    .flatMap(blocksOf)
    .flatMap((block) => redirectsOf(block, variables))
    .some((redirect) => leadsTo(redirect, location));
  if (isSent) return 'request';
  if (modifier === '@') return undefined;
  return usesSsi || here.some(obeysXAccel) ? 'perhaps' : undefined;
}

/** Such as `if ($secure_link = "") { return 403; }`. A client chooses the values of the variables that are listed here. */
function isCheck({ name, args, block = [] }: Directive): boolean {
  const condition =
    /^\( *\$(?!request|scheme|http|host|invalid_referer|server|uri|args|query|ssl_(protocol|cipher))\w+ *(!=|!~|= *0? *\))/;
  return (
    name === 'if' &&
    condition.test(args.join(' ')) &&
    block.some(({ words }) => /^return 4/.test(words))
  );
}

/** Whether an application can send a request to an internal location. */
function obeysXAccel(location: Location): boolean {
  return blocksOf(location).some((block) =>
    block.block.some(({ name }) => {
      const [, kind] = /^(proxy|fastcgi|uwsgi|scgi|grpc)_pass$/.exec(name) ?? [];
      const ignored = block.effective(`${kind}_ignore_headers`).map(({ words }) => words);
      const obeys = kind !== undefined && !/\bx-accel-redirect\b/i.test(ignored.join());
      return obeys || /^(content_by_lua\w*|js_content|perl)$/.test(name);
    }),
  );
}

/** Whether nginx puts other pages of the site into a response, without any check of access. */
function includesPages(block: Context): boolean {
  const names = ['ssi', 'add_before_body', 'add_after_body'];
  return names.some((name) => !/^(off|)$/.test(block.firstWord(name) ?? ''));
}
