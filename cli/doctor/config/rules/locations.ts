import {
  isPrefix,
  type Location,
  own,
  regexRivals,
  title,
  titleAt,
  withNested,
} from '../context.ts';
import { type Directive, returns, wordsOf } from '../directive.ts';
import { CONFIRM, type Gate, type SiteConfig } from '../site.ts';
import type { Trap } from '../trap.ts';

const WHY =
  'nginx prefers a regex location to a prefix location without ^~: a regex location anywhere in the server block bypasses the gate, and `internal`.';

/** `^~` on the public and on the internal location, and the locations that win without it. */
export function missingCaret({ gates, internals }: SiteConfig): readonly Trap[] {
  return [...gates.map(({ location }) => location), ...internals].flatMap(withoutCaret);
}

function withoutCaret(location: Location): readonly Trap[] {
  const { modifier, path, at, server } = location;
  if (modifier === '^~' || modifier === '=') return [];
  if (!isPrefix(modifier)) {
    const seen = `${title(location)} is a regex location`;
    const why =
      'nginx uses the first regex location that matches, even if the request is for another one.';
    return [{ at, seen, why, fix: 'location ^~ /…/ { … }' }];
  }
  const same = { why: WHY, fix: `location ^~ ${path} { … }` };
  const rivals = regexRivals(server, path).filter((rival) => rival !== location);
  return [
    { at, seen: `${title(location)} has no ^~`, ...same },
    ...rivals.map((rival) => {
      return { at: rival.at, seen: `${title(rival)} wins over ${titleAt(location)}`, ...same };
    }),
  ];
}

const NESTED = ['location', 'if', 'limit_except'];

/** Blocks inside the public location, which do not inherit the directives of the snippet. */
export function nested({ gates }: SiteConfig): readonly Trap[] {
  return gates.flatMap(nestedInGate);
}

function nestedInGate({ location, mode }: Gate): readonly Trap[] {
  const lost = mode === 'auth_request' ? 'try_files' : 'proxy_pass';
  // By X-Accel an `if` inherits proxy_pass, in contrast to a location.
  const isLost = (at: Directive) =>
    mode === 'auth_request' || at.name === 'location' || goesElsewhere(at);
  return inside(location)
    .filter(isLost)
    .map((at) => ({
      at,
      seen: `${wordsOf(at)} inside ${title(location)}`,
      why: `A nested block does not inherit ${lost} from the snippet: the request does not reach the delivery or the gate, and nginx serves the file that it finds under that path.`,
      fix:
        at.name === 'location'
          ? 'use a separate location beside it, with ^~, the snippet and a mount'
          : 'keep only the include in this location; an `if` that always returns is harmless',
    }));
}

function goesElsewhere({ block = [] }: Directive): boolean {
  return block.some(({ name }) => name === 'rewrite' || name.endsWith('_pass'));
}

/** Above a `return`, these end the block before it does. */
function leavesEarly({ block = [] }: Directive): boolean {
  const end = block.findIndex(({ name }) => name === 'return');
  return block
    .slice(0, end)
    .some(({ name, args }) => name === 'break' || ['last', 'break'].includes(args[2] ?? ''));
}

/** The `if` of protect.conf and x-accel.conf: the request ends in a location without files. */
function confirms({ name, block = [] }: Directive): boolean {
  const [line, ...more] = block.map(wordsOf);
  return name === 'if' && more.length === 0 && line === `rewrite ^ ${CONFIRM} last`;
}

/** An `if` that always returns is harmless: its request ends there. */
export function inside({ block }: Location): readonly Directive[] {
  return block.filter(
    (at) =>
      NESTED.includes(at.name) &&
      !confirms(at) &&
      !(at.name === 'if' && returns(at.block ?? []) && !leavesEarly(at)),
  );
}

/** A configuration without a gate. */
export function noGate({ http, gates }: SiteConfig): readonly Trap[] {
  if (gates.length > 0) return [];
  const seen = 'no location asks Postern';
  const why = 'nginx serves all files of this configuration without a token.';
  const fix = 'location ^~ /download/ { include postern/protect.conf; }';
  return [{ at: http.at, seen, why, fix }];
}

/** A missing slash in any location of the site: it can open the folder of the files. */
export function aliasSlash({ http, internals }: SiteConfig): readonly Trap[] {
  return http.servers
    .flatMap(({ locations }) => withNested(locations))
    .flatMap((location) => withoutSlash(location, internals.includes(location)));
}

function withoutSlash(location: Location, isInternal: boolean): Trap | readonly Trap[] {
  const { modifier, path } = location;
  const [alias] = own(location, 'alias');
  const folder = alias?.args[0] ?? '';
  if (alias === undefined || !isPrefix(modifier)) return [];
  const [pathEnds, folderEnds] = [path.endsWith('/'), folder.endsWith('/')];
  if (!pathEnds && (folderEnds || isInternal)) {
    return {
      at: location.at,
      seen: `${title(location)} { alias ${folder}; }`,
      why: `The location does not end with a slash: ${beside(path, folder)}`,
      fix: `location ^~ ${path}/ { … alias ${folder.replace(/\/?$/, '/')}; }`,
    };
  }
  if (!isInternal || folderEnds) return [];
  return {
    at: alias,
    seen: `alias ${folder} in ${title(location)}`,
    why: `The folder does not end with a slash: ${beside(path, folder)}`,
    fix: `alias ${folder}/;`,
  };
}

/** nginx appends the rest of the path to the alias without a check. */
function beside(path: string, folder: string): string {
  const way = folder.endsWith('/') ? '../x' : '-old/x';
  return `${path}${way} opens ${folder}${way}, outside the folder.`;
}

/**
 * An internal location below another one, if no two public locations nest in the same way. If the mounts
 * are known, there is nothing to find: mounts that nest so are a configuration error.
 */
export function nestedInternal({ mounts, gates, internals }: SiteConfig): readonly Trap[] {
  if (mounts !== undefined) return [];
  return internals.flatMap((inner) => {
    const publics = gates.flatMap(({ location: { server, path } }) =>
      server === inner.server ? path : [],
    );
    // With one public location there is one mount, and all internal locations are for its tokens.
    if (publics.length < 2) return [];
    const nestsLike = (rest: string) => publics.some((path) => publics.includes(path + rest));
    return internals
      .filter((outer) => isBelow(inner, outer) && !nestsLike(inner.path.slice(outer.path.length)))
      .map((outer) => ({
        at: inner.at,
        seen: `${title(inner)} is below ${title(outer)}`,
        why: `A token for the public prefix of ${outer.path} also opens files of ${inner.path}, which may belong to another public prefix.`,
        fix: `use an internal prefix that is not below ${outer.path}; if both belong to one mount, pass the mounts with --mounts`,
      }));
  });
}

function isBelow(inner: Location, outer: Location): boolean {
  const isComparable =
    inner.server === outer.server && isPrefix(inner.modifier) && isPrefix(outer.modifier);
  return isComparable && inner.path !== outer.path && inner.path.startsWith(outer.path);
}
