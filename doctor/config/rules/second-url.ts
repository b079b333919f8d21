import { posix } from 'node:path';
import { tryTo } from '../../../common/errors.ts';
import { type Context, type Directive, type Http, type Location, quoted } from '../context.ts';
import type { Leak, Proof } from '../proof/leaks.ts';
import type { Binary } from '../proof/nginx.ts';
import { prove } from '../proof/prove.ts';
import { chainOf } from '../proof/requests.ts';
import type { SiteConfig, Trap } from '../site.ts';
import { blocksOf, folderLine, locationOf } from '../values.ts';
import { severalChoices } from './choices.ts';
import {
  ACCEPT,
  canReach,
  compressed,
  copied,
  hiddenWays,
  othersOf,
  type Related,
  USUAL_PREFIX,
  unknownFolders,
  unknownPrefixes,
} from './hidden-ways.ts';

const WHY =
  'The same files have a second URL that needs no token. Keep them outside of each root and alias of the site.';

const WHY_PERHAPS = 'It decides which files this location serves, and who gets them.';

const NO_FILE = 'No file has such a name now.';

/** What the doctor asked nginx, and why it could not. */
export interface Asked {
  readonly traps: readonly Trap[];
  readonly requests: number;
  readonly unseen: readonly string[];
  readonly unproven?: string;
}

/** Protected files that another block of the site also serves. */
export async function secondUrl(
  site: SiteConfig,
  binary: Binary | null | undefined,
): Promise<Asked> {
  const { http, folders, disk, snippets } = site;
  const related = relatedTo(site);
  const hidden = [...hiddenWays(site), ...unknownFolders(site), ...unknownPrefixes(site)];
  if (related.length === 0) return { traps: hidden, requests: 0, unseen: [] };
  const ours = new Set(snippets.map(({ file }) => file));
  const prefix = http.prefixes[0] ?? USUAL_PREFIX;
  const proof = !binary
    ? 'this machine has no nginx'
    : await prove(http, { binary, prefix, folders, isDisk: disk !== undefined, ours, related });
  if (typeof proof === 'string') {
    const open = related.flatMap((pair) => unproven(pair, site));
    // If no nginx is installed, the doctor relies on its reading. If the copy fails, the doctor reports at least a question.
    if (binary && open.length === 0)
      open.push(
        ...related.map(([at, index]) =>
          couldServe(at, 'a server block', site.folders[index]?.what ?? ''),
        ),
      );
    return {
      traps: [...open, ...hidden],
      requests: 0,
      unseen: [],
      unproven: proof,
    };
  }
  const others = new Set(othersOf(site));
  const found = new Map<string, Leak>();
  for (const leak of proof.leaks) {
    const location = locationOf(leak.context);
    if (!others.has(location)) continue;
    const key = [leak.folder, location.file, location.line, leak.context.line].join('\0');
    const best = found.get(key);
    if (best === undefined || rank(leak) < rank(best)) found.set(key, leak);
  }
  const traps = [...found.values()].map((leak) => trapOf(leak, site, proof));
  return {
    traps: [
      ...traps,
      ...hidden.filter(({ at }) => traps.every((one) => one.at !== at)),
      ...unreachedTraps(proof),
      ...rejectedTraps(related, http, proof),
      ...[...proof.cut].map(([at, index]) => ({
        ...couldServe(at, 'a server block', site.folders[index]?.what ?? ''),
        why: 'It has more URLs and values than the doctor asks for.',
        fix: ACCEPT,
      })),
      ...(proof.hasCompressed ? compressed(related, http) : []),
      ...copied(related, site),
      ...severalChoices(related, site, proof.free).filter(({ at }) =>
        traps.every((one) => one.at !== at),
      ),
    ],
    requests: proof.asked,
    unseen: [...proof.unseen],
  };
}

/** A proof with an existing file comes first, then any existing file, and then the shortest. */
function rank({ isProof, file, curl }: Leak): number {
  return (isProof ? 0 : 10_000) + (file.isReal ? 0 : 100_000) + curl.length;
}

/** The server blocks with a block whose files could be those of a folder, and the folder. */
function relatedTo(site: SiteConfig): Related {
  const { http, folders } = site;
  const others = othersOf(site);
  const reach = folders.map(({ path }) => {
    const found = others.filter((one) => canReach(one, path, site));
    return new Set(found.map(({ server }) => server));
  });
  return http.servers.flatMap((server) =>
    folders.flatMap((_, index) =>
      chainOf(server, http).some((one) => reach[index]?.has(one)) ? [[server, index] as const] : [],
    ),
  );
}

function unproven([server, index]: readonly [Location, number], site: SiteConfig): readonly Trap[] {
  const { path, what } = site.folders[index] ?? { path: '', what: '' };
  return othersOf(site)
    .filter((one) => one.server === server && !one.isHandled && canReach(one, path, site))
    .map((one) =>
      couldServe(folderLine(one)[0], `${folderLine(one)[0].words} in ${one.words}`, what),
    );
}

function couldServe(at: Directive, words: string, what: string): Trap {
  return {
    at,
    seen: `${words} could serve ${what}`,
    why: WHY,
    fix: 'run the doctor where nginx is: it then asks nginx',
    verdict: 'question',
  };
}

function trapOf(leak: Leak, site: SiteConfig, proof: Proof): Trap {
  const { context, folder, isProof, because, curl, file, target } = leak;
  const { path, what } = site.folders[folder] ?? { path: '/', what: '' };
  const location = locationOf(context);
  const [line] = folderLine(context);
  const guard = unknownGuard(context, proof);
  const isNone = !file.isReal && proof.hasFiles[folder];
  const isSure = isProof && guard === undefined && !isNone;
  const block = context.block.includes(line) ? context : location;
  const where = block === location.server ? 'the server block' : block.words;
  const uri = uriOf(target.replace(/\?.*/, ''), file.path, path, location);
  // Such as the regex `/\.well-known/`, which is for URLs of any folder.
  const isSome = location.modifier.startsWith('~') && !couldSelect(location, `${uri}doctor`);
  const named = isSome ? `${what} whose URL matches it` : what;
  const reason = because ?? (guard ? `it depends on ${guard.titleAt}` : '');
  const isHere = line.file === location.file && line.name !== '' && !isOpen(leak);
  return {
    at: isHere ? line : location,
    seen: `${line.words} in ${where}${isSure ? `: ${named} are at ${uri}` : ` can serve ${named} at ${uri}`}`,
    why: isSure ? WHY : `${WHY_PERHAPS} ${isNone ? NO_FILE : reason}`,
    fix: fixFor(context, uriOf(selecting(leak), file.path, path, location), path, leak),
    proof: curl,
    ...(!isSure && {
      verdict: isNone && site.protect ? ('advice' as const) : ('question' as const),
    }),
  };
}

/** The folder of a URL, if the file is below it. It is not above that of the location. */
function uriOf(uri: string, file: string, folder: string, { isPrefix, path }: Location): string {
  const rest = file.slice(folder.length);
  const own = posix.normalize(uri);
  const above = rest !== '' && own.endsWith(rest) ? own.slice(0, -rest.length) : own;
  return isPrefix && path.startsWith(above) && own.startsWith(path) ? path : above;
}

/** The URI with which nginx selected the location: a `rewrite` or `try_files` in it can have changed it afterwards. */
function selecting({ context, uri, target }: Leak): string {
  const location = locationOf(context);
  const isSelected = location.modifier === '@' || couldSelect(location, uri);
  return isSelected ? uri : target.replace(/\?.*/, '');
}

function couldSelect({ isPrefix, modifier, path }: Location, uri: string): boolean {
  if (isPrefix) return uri.startsWith(path);
  if (modifier === '=') return uri === path;
  return tryTo(() => new RegExp(path, modifier === '~*' ? 'i' : '').test(uri)) ?? false;
}

/** A directive in force that the copy does not have, and that can refuse requests. */
function unknownGuard(context: Context, { dropped }: Proof): Directive | undefined {
  const guard =
    /^(access_by_\w+|auth_(?!basic|request|jwt)\w+|modsecurity\w*|naxsi\w*|secure_token\w*|perl_access\w*)$/;
  for (let at: Context | undefined = context; at !== undefined; at = at.parent) {
    const found = at.block.find(
      (one) =>
        guard.test(one.name) ||
        dropped.has(one) ||
        one.words === 'ssl_verify_client on' ||
        (one.name === 'auth_basic_user_file' && one.words.includes('$')),
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

function unreachedTraps({ unreached }: Proof): readonly Trap[] {
  return unreached.map((at) => ({
    at,
    seen: `${at.words}: the doctor found no URL for this location`,
    why: 'It could serve the files.',
    fix: 'write a simpler regex',
    verdict: 'question' as const,
  }));
}

/** Lines that this nginx rejects, so the copy does not have them. Sizes of hash tables lead nowhere. */
function rejectedTraps(
  related: Related,
  http: Http,
  { dropped, unreached }: Proof,
): readonly Trap[] {
  const servers = new Set(related.flatMap(([server]) => chainOf(server, http)));
  const said = new Set<Directive>(unreached);
  const isRejected = (at: Directive) =>
    dropped.has(at) && !said.has(at) && !/_hash_\w+$/.test(at.name);
  const linesOf = (at: Directive): readonly Directive[] =>
    isRejected(at) ? [at] : (at.block ?? []).flatMap(linesOf);
  const common = http.block.filter(({ name }) => name !== 'server');
  return [...common, ...[...servers].flatMap(({ block }) => block)].flatMap(linesOf).map((at) => ({
    at,
    seen: `${at.words}: the nginx of this machine rejects this line`,
    why: 'So the doctor asked nginx without it.',
    fix: 'run the doctor with the nginx that uses this configuration',
    verdict: 'question' as const,
  }));
}

/** A prefix without a slash before an alias, as in `/static../files/`. */
function isOpen({ context, target }: Leak): boolean {
  const location = locationOf(context);
  return target.includes('../') && location.isPrefix && folderLine(context)[0].name === 'alias';
}

/** A change that nginx accepts there, and that closes only this URL. */
function fixFor(context: Context, uri: string, files: string, leak: Leak): string {
  const location = locationOf(context);
  const { server } = location;
  const [line, from] = folderLine(context);
  if (isOpen(leak)) {
    const { modifier, path } = location;
    return `instead of this line: location ${modifier && `${modifier} `}${quoted(`${path}/`)} {`;
  }
  if (context !== location && context.block.includes(line)) return `delete ${context.titleAt}`;
  const entry = location.has('internal') ? entryTo(leak, server) : undefined;
  if (entry !== undefined) return `delete ${entry.titleAt}`;
  // The location has no other use. With a `return`, its files would not be available with a token either.
  const isFor =
    line.name === 'alias' ||
    `${posix.normalize(line.args[0] ?? '')}/`.startsWith(files) ||
    location.modifier === '@' ||
    location.path.startsWith(uri);
  const isOwn = location !== server && location.path !== '/' && from === location && isFor;
  if (isOwn || (location.modifier === '=' && location.path !== '/'))
    return `delete ${location.titleAt}`;
  const isFolder = uri.endsWith('/');
  const taken = server.locations.find(
    ({ path, modifier, isPrefix }) => path === uri && (isFolder ? isPrefix : modifier === '='),
  );
  const slashes = location.inForce('merge_slashes');
  if (slashes?.args[0] === 'off' && leak.target.replace(/\?.*/s, '').includes('//'))
    return `delete ${slashes.titleAt}`;
  if (taken?.modifier === '' && location.modifier.startsWith('~') && location.parent === server)
    return `instead of ${taken.titleAt}: location ^~ ${quoted(uri)}`;
  if (uri === '/' || taken !== undefined) {
    if (!from.own('root', 'alias').length) return `in ${server.titleAt}: root /srv/www/;`;
    return `instead of this line: ${line.name} /srv/www/;`;
  }
  return `in ${server.titleAt}: location ${isFolder ? '^~' : '='} ${quoted(uri)} { return 404; }`;
}

/** The line that sends a request from outside on to an internal location, which can be the one of the deliveries. */
function entryTo({ target, uri }: Leak, server: Location): Directive | undefined {
  const path = target.replace(/\?.*/s, '');
  const startOf = ({ name, args }: Directive) =>
    ((name === 'rewrite' ? args[1] : args.at(-1)) ?? '').replace(/\$.*/s, '');
  const matches = ({ name, args: [regex = ''] }: Directive) =>
    name !== 'rewrite' || (tryTo(() => new RegExp(regex).test(path)) ?? true);
  return server.nested
    .filter((one) => couldSelect(one, path))
    .flatMap(blocksOf)
    .flatMap((one) => one.own('rewrite', 'try_files', 'error_page'))
    .filter((one) => startOf(one).length > 1 && uri.startsWith(startOf(one)) && matches(one))
    .sort((a, b) => startOf(b).length - startOf(a).length)[0];
}
