import { type Directive, type Location, quoted } from '../context.ts';
import { reaches } from '../pattern.ts';
import { AUTH_REQUEST, DELIVERY, type Rule, type SiteConfig, type Trap } from '../site.ts';
import { serversOf } from '../ways.ts';
import { isBesideAlias, secondUrl } from './second-url.ts';

/** Locations that serve files without asking the gate, or another file than the one that it allowed. */
export const locationRules: Readonly<Record<string, Rule>> = {
  'no-gate': ({ http, gates, mounts }) => {
    const prefix = mounts?.[0]?.prefix ?? '/download/';
    const server =
      http.servers.find(({ names }) => names.includes(mounts?.[0]?.site ?? '')) ?? http.servers[0];
    const own = server?.locations.find((one) => one.isPrefix && one.path === prefix);
    const seen = 'no location uses Postern';
    const why = 'nginx serves all files of this configuration without a token.';
    const location = `location ^~ ${quoted(prefix)} { include postern/protect.conf; }`;
    const fix = `${own ? 'instead of this location' : `in ${(server ?? http).titleAt}`}: ${location}`;
    return gates.length > 0 ? [] : [{ at: own ?? server ?? http, seen, why, fix }];
  },
  'missing-caret': ({ gates, internals }) =>
    [...gates, ...internals].flatMap((location) => withoutCaret(location)),
  nested,
  'internal-rewrite': (site) =>
    site.internals.flatMap((one) => [...blocksIn(one, site), ...rewritesIn(one)]),
  'server-auth-request': ({ http }) =>
    [http, ...http.servers].flatMap((context) => {
      const lines = [...context.own('auth_request'), ...context.own('try_files')];
      const at = lines.find(({ args }) => args[0] === AUTH_REQUEST || args.at(-1) === DELIVERY);
      if (at === undefined) return [];
      const words = at.args.map((word) => word || '""').join(' ');
      return {
        at,
        seen: `${at.name} ${words} in the ${context.name} block`,
        why: 'Every location inherits auth_request, but a location with its own try_files does not inherit the delivery: the whole site requires a token, internal locations ask a second time, and nginx may serve another file than the one that the gate allowed.',
        fix: 'delete this line, and include postern/protect.conf; in the public location',
      };
    }),
  'second-url': secondUrl,
  'alias-slash': aliasSlash,
};

/**
 * Public and internal locations without `^~`, and the regex locations that nginx prefers to them. `^~` stops only the
 * regex locations beside it, so each location around it needs it, too: `level` is the location, or one around it.
 */
function withoutCaret(location: Location, level = location): readonly Trap[] {
  const { modifier, path, server } = location;
  if (level === server || modifier === '=') return [];
  if (!location.isPrefix) {
    const seen = `${location.words} is a regex location`;
    const why =
      'nginx uses the first regex location that matches, even if the request is for another one.';
    return [{ at: location, seen, why, fix: 'location ^~ /…/ { … }' }];
  }
  const outside = level.parent as Location;
  if (level.modifier === '^~') return withoutCaret(location, outside);
  const isInside = level !== location;
  const which = isInside ? `${location.words} is inside ${level.words}, which` : level.words;
  const rivals = outside
    .regexRivals(path)
    .map((one) => one.titleAt)
    .join(', ');
  const line = `location ^~ ${quoted(path)} {`;
  return [
    {
      at: location,
      seen: `${which} has no ^~${rivals && `: nginx prefers ${rivals}`}`,
      why: 'nginx prefers a regex location to a prefix location without ^~: a regex location anywhere in the server block bypasses the gate, and `internal`.',
      fix: isInside ? `in the server block: ${line} … }` : `instead of this line: ${line}`,
    },
  ];
}

/** Blocks inside the public location, which do not inherit the directives of the snippet. */
function nested(site: SiteConfig): readonly Trap[] {
  return site.gates.flatMap((gate) => {
    const isXAccel = site.passing.includes(gate);
    const lost = isXAccel ? 'proxy_pass' : 'try_files';
    // By X-Accel an `if` inherits proxy_pass, in contrast to a location.
    return inside(gate, site)
      .filter((at) => !isXAccel || at.name === 'location' || goesElsewhere(at))
      .map((at) => ({
        at,
        seen: `${at.words} inside ${gate.words}`,
        why: `A nested block does not inherit ${lost} from the snippet: the request does not reach the delivery or the gate, and nginx serves the file that it finds under that path.`,
        fix:
          at.name === 'location'
            ? 'delete this block, or make it a location beside this one, with ^~, the snippet and a mount'
            : 'delete this block; an `if` that always returns is harmless',
      }));
  });
}

function goesElsewhere({ block = [] }: Directive): boolean {
  return block.some(({ name }) => name === 'rewrite' || name.endsWith('_pass'));
}

function blocksIn(location: Location, site: SiteConfig): readonly Trap[] {
  return inside(location, site).map((at) => ({
    at,
    seen: `${at.words} inside ${location.words}`,
    why: 'A nested block inherits neither try_files nor the check of the target: a folder answers with a redirect that shows the internal prefix, and other locations of the site can send any request here.',
    fix: 'delete this block; an `if` that always returns is harmless',
  }));
}

function rewritesIn(location: Location): readonly Trap[] {
  return location.own('rewrite').map((at) => ({
    at,
    seen: `${at.words} in ${location.words}`,
    why: 'The URI is no longer the one that the gate allowed. Above the include every download is a 404; below it a 500 with alias, and another file with root.',
    fix: 'delete this line: the mount maps the public prefix to the internal prefix',
  }));
}

/** The blocks in a location whose requests do not end there, except those of the snippets. */
function inside({ block }: Location, { snippets }: SiteConfig): readonly Directive[] {
  return block.filter(
    (at) =>
      (['location', 'limit_except'].includes(at.name) ||
        (at.name === 'if' && !alwaysReturns(at))) &&
      !snippets.some(({ file }) => file === at.file),
  );
}

/** Above the `return`, no directive ends the block. */
function alwaysReturns({ block = [] }: Directive): boolean {
  const end = block.findIndex(({ name }) => name === 'return');
  const ends = ({ name, args }: Directive) =>
    name === 'break' || ['last', 'break'].includes(args[2] ?? '');
  return end >= 0 && !block.slice(0, end).some(ends);
}

/** A missing slash in any location of the site: another folder than that of the files is open. */
function aliasSlash(site: SiteConfig): readonly Trap[] {
  const { http, internals, folders, disk } = site;
  const isOpen = new Set(
    serversOf(http, http.blocks, disk).flatMap(({ context, ways }) => {
      const beside = ways.filter((way) => isBesideAlias(way, context));
      return beside.some(({ file }) => folders.some(({ path }) => reaches(file, path)))
        ? [context.line]
        : [];
    }),
  );
  return http.blocks.flatMap((location): Trap | readonly Trap[] => {
    const { modifier, path } = location;
    const [alias] = location.own('alias');
    if (alias === undefined || !location.isPrefix) return [];
    const [folder = ''] = alias.args;
    const folderEnds = folder.endsWith('/');
    const isInternal = internals.includes(location);
    if (!path.endsWith('/') && (folderEnds || isInternal)) {
      return {
        at: location,
        seen: `${location.words} { alias ${folder}; }`,
        why: `The location does not end with a slash: ${beside(path, folder)}`,
        fix: `instead of this line: location ${modifier && `${modifier} `}${quoted(`${path}/`)} {`,
        ...(!isInternal && !isOpen.has(location.line) && { verdict: 'advice' as const }),
      };
    }
    if (!isInternal || folderEnds) return [];
    return {
      at: alias,
      seen: `alias ${folder} in ${location.words}`,
      why: `The folder does not end with a slash: ${beside(path, folder)}`,
      fix: `instead of this line: alias ${quoted(`${folder}/`)};`,
    };
  });
}

/** nginx appends the rest of the path to the alias without a check. */
function beside(path: string, folder: string): string {
  const way = folder.endsWith('/') ? '../x' : '-old/x';
  return `${path}${way} opens ${folder}${way}, outside the folder.`;
}
