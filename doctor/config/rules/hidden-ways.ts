import { posix } from 'node:path';
import type { Context, Directive, Http, Location } from '../context.ts';
import type { Disk } from '../disk.ts';
import { absolutesOf } from '../proof/folders.ts';
import { chainOf, directivesOf } from '../proof/requests.ts';
import type { SiteConfig, Trap } from '../site.ts';
import { blocksOf, constantOf, folderLine, folderValues, locationOf, WILD } from '../values.ts';

/** The folder for relative paths if no other one is known. */
export const USUAL_PREFIX = '/etc/nginx';

const WHY_INTERNAL =
  'No client can request this location, but a page with SSI, an X-Accel-Redirect of an application, or code leads to it.';

/** The server blocks that can lead to a folder, and the index of the folder. */
export type Related = ReadonlyArray<readonly [Location, number]>;

/** The blocks besides the public and internal locations, those in them, and the snippets. */
export function othersOf({ http, gates, internals, snippets }: SiteConfig): readonly Location[] {
  const ours = new Set([...internals, ...gates].flatMap((one) => one.nested));
  const files = new Set(snippets.map(({ file }) => file));
  return http.blocks.filter((one) => !ours.has(one) && !files.has(one.file));
}

/** Whether a location could serve a file of a folder, whatever its conditions decide. */
export function canReach(location: Location, folder: string, site: SiteConfig): boolean {
  return blocksOf(location).some((block) => canServe(block, folder, site));
}

function canServe(context: Context, folder: string, site: SiteConfig): boolean {
  const [{ name }, from] = folderLine(context);
  const words = context.own('try_files', 'rewrite').flatMap(({ args }) => args);
  const pages = context.effective('index').flatMap(({ args }) => args);
  if ([...words, ...pages].some((word) => word.includes('..'))) return true;
  if (pages.some((word) => /^[^/]*\$/.test(word))) return true;
  const isOpen =
    name === 'alias' && (from as Location).isPrefix && !(from as Location).path.endsWith('/');
  return canBegin('', context, folder, site, isOpen);
}

/** Whether a file of a folder could have a URL that begins so, as far as the `root` or `alias` of a block is constant. */
export function canBegin(
  url: string,
  context: Context,
  folder: string,
  site: SiteConfig,
  isOpen = false,
): boolean {
  const [{ name }, from] = folderLine(context);
  const alias = name === 'alias' ? locationOf(from) : undefined;
  const own = alias?.isPrefix ? alias.path : '';
  if (!url.startsWith(own) && !own.startsWith(url)) return false;
  const below = alias?.isPrefix === false ? '' : url.slice(own.length);
  return folderValues(context, site.http).some((value) => {
    const constant = constantOf(value);
    // What a client chooses can lead out of the folder.
    if (value.includes(WILD) || constant.length < 2) return true;
    const isWhole = constant === value && below !== '';
    return isNear(isWhole ? `${constant}/${below}` : constant, folder, site, isOpen);
  });
}

/** Whether one of two folders is in the other, or a link in it leads there. */
export function isNear(
  text: string,
  folder: string,
  { disk, http }: SiteConfig,
  isOpen = false,
): boolean {
  return absolutesOf(text, http.prefixes.length > 0 ? http.prefixes : [USUAL_PREFIX])
    .map((one) => posix.normalize(one))
    .map((path) => (isOpen ? posix.dirname(path.replace(/\/$/, '')) : path))
    .flatMap((path) => [path, disk?.real(path) ?? path])
    .some(
      (one) =>
        folder.startsWith(one) || `${one}/`.startsWith(folder) || leadsTo(disk?.links(one), folder),
    );
}

/** Whether a link leads to a folder. If the doctor did not see all links, one of the others can. */
function leadsTo(found: ReturnType<Disk['links']> | undefined, folder: string): boolean {
  const { links = [], unseen } = found ?? {};
  const isLink = links.some(({ to }) => folder.startsWith(`${to}/`) || `${to}/`.startsWith(folder));
  return isLink || (unseen?.size ?? 0) > 0;
}

/** Ways that only code, a page with SSI or an application knows. */
export function hiddenWays(site: SiteConfig): readonly Trap[] {
  const { folders, protect } = site;
  const others = othersOf(site);
  return others.flatMap((location): Trap | readonly Trap[] => {
    const { server } = location;
    const folder = folders.find(({ path }) => canReach(location, path, site));
    if (folder === undefined || location === server) return [];
    const here = others.filter((one) => one.server === server);
    const isInternal = location.inForce('internal') !== undefined;
    const guards = location.effective('deny', 'auth_basic', 'auth_request').length > 0;
    const pages = here.flatMap(blocksOf).some(includesPages);
    const sends = here.some((one) => runsCode(one) || (!protect && obeysXAccel(one)));
    if (!((pages && (isInternal || guards)) || (isInternal && sends))) return [];
    const [at] = folderLine(location);
    return {
      at,
      seen: `${at.words} in ${location.words} can serve ${folder.what}`,
      why: WHY_INTERNAL,
      fix: `delete ${location.titleAt}`,
      verdict: 'question',
    };
  });
}

/** A relative folder, if the output of `nginx -V` is missing. */
export function unknownPrefixes(site: SiteConfig): readonly Trap[] {
  const { http, folders } = site;
  return (http.prefixes.length > 0 ? [] : othersOf(site)).flatMap((location) => {
    const [at] = folderLine(location);
    const [text = ''] = at.args;
    const folder = folders.find(({ path }) => path.includes(`/${text.replace(/\/$/, '')}/`));
    if (folder === undefined || /^[/$]/.test(text) || location.isHandled) return [];
    // Another block has all requests of the server.
    if (location.locations.some(({ isPrefix, path }) => isPrefix && path === '/')) return [];
    return {
      at,
      seen: `${at.words} in ${location.words} can serve ${folder.what}`,
      why: 'The doctor does not know the folder of nginx.',
      fix: 'pass the output of nginx -VT to the doctor',
      verdict: 'question' as const,
    };
  });
}

/** Internal locations whose folder is unknown: no URL can be found for their files. */
export function unknownFolders({ internals, http, protect }: SiteConfig): readonly Trap[] {
  return (protect ? [] : internals).flatMap((location): Trap | readonly Trap[] => {
    const [at] = folderLine(location);
    const isKnown = folderValues(location, http).every(
      (one) => constantOf(one).length > 1 && (one.startsWith('/') || http.prefixes.length > 0),
    );
    if (isKnown || location.has('proxy_pass')) return [];
    return {
      at,
      seen: `files below ${at.titleAt}, whose folder the doctor does not know`,
      why: 'A variable in it has a value that the client or a program chooses.',
      fix: 'write a constant folder, or variables that are constant by set or map',
      verdict: 'question',
    };
  });
}

/** Whether an application can send a request to an internal location. */
function obeysXAccel(location: Location): boolean {
  return blocksOf(location).some((block) =>
    block.block.some(({ name }) => {
      const [, kind] = /^(proxy|fastcgi|uwsgi|scgi|grpc)_pass$/.exec(name) ?? [];
      const ignored = block.effective(`${kind}_ignore_headers`).map(({ words }) => words);
      return kind !== undefined && !/\bx-accel-redirect\b/i.test(ignored.join());
    }),
  );
}

function runsCode(location: Location): boolean {
  return location.block.some(({ name }) => /^(\w+_by_lua\w*|js_content|perl)$/.test(name));
}

/** Whether nginx puts other pages of the site into a response, without any check of access. */
function includesPages(block: Context): boolean {
  return !/^(off|)$/.test(block.firstWord('ssi') ?? '');
}

/** Locations in which a client can copy files to other URLs. */
export function copied(related: Related, site: SiteConfig): readonly Trap[] {
  return related.flatMap(([server, index]) =>
    server.nested
      .filter(
        (one) =>
          /\b(COPY|MOVE)\b/.test(one.inForce('dav_methods')?.words ?? '') &&
          (!one.turnedOn('auth_basic') || one.firstWord('satisfy') === 'any') &&
          !one.turnedOn('auth_request') &&
          canReach(one, site.folders[index]?.path ?? '', site),
      )
      .map((one) =>
        perhaps(
          one.inForce('dav_methods') ?? one,
          `${one.inForce('dav_methods')?.words} in ${one.words}`,
          'A client can copy the files to another URL.',
        ),
      ),
  );
}

/** Lines of modules that send `a.txt.br` for the URL of `a.txt`. The copy does not load modules. */
export function compressed(related: Related, http: Http): readonly Trap[] {
  const lines = related.flatMap(([server]) => chainOf(server, http)).flatMap(directivesOf);
  return [...new Set([...lines, ...http.block])]
    .filter(({ words }) => /^(brotli|zstd)_static (?!off)/.test(words))
    .map((at) =>
      perhaps(at, at.words, 'The doctor does not ask for files that end in .br or .zst.'),
    );
}

export const ACCEPT =
  'find out whether it does; if not, write at this line: # postern-doctor: accept REASON';

export function perhaps(at: Directive, seen: string, why: string): Trap {
  return { at, seen: `${seen} can lead to the files`, why, fix: ACCEPT, verdict: 'question' };
}
