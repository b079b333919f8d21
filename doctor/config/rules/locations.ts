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
import { AUTH_REQUEST, DELIVERY, type SiteConfig } from '../site.ts';
import { type Rule, rule, type Trap } from '../trap.ts';
import { secondUrl } from './second-url.ts';

/** Locations that serve files without asking the gate. */
export const locationRules: Readonly<Record<string, Rule>> = {
  'no-gate': rule({
    why: 'nginx serves all files of this configuration without a token.',
    fix: 'location ^~ /download/ { include postern/protect.conf; }',
    find: ({ http, gates }) =>
      gates.length > 0 ? [] : [{ at: http.at, seen: 'no location uses Postern' }],
  }),
  'missing-caret': ({ gates, internals }) =>
    [...gates, ...internals].flatMap((location) => withoutCaret(location)),
  nested,
  'nested-internal': nestedInternal,
  'server-auth-request': rule({
    why: 'Every location inherits auth_request, but a location with its own try_files does not inherit the delivery: the whole site requires a token, internal locations ask a second time, and nginx may serve another file than the one that the gate allowed.',
    fix: 'location ^~ /download/ { include postern/protect.conf; }',
    find: ({ http }) =>
      [http, ...http.servers].flatMap((context) => {
        const lines = [...own(context, 'auth_request'), ...own(context, 'try_files')];
        const at = lines.find(({ args }) => args[0] === AUTH_REQUEST || args.at(-1) === DELIVERY);
        if (at === undefined) return [];
        const words = at.args.map((word) => word || '""').join(' ');
        return { at, seen: `${at.name} ${words} in the ${context.at.name} block` };
      }),
  }),
  'second-url': secondUrl,
  'alias-slash': aliasSlash,
};

/**
 * Public and internal locations without `^~`, and the regex locations that nginx prefers to them. `^~` stops only the
 * regex locations beside it, so each location around it needs it, too: `level` is the location, or one around it.
 */
function withoutCaret(location: Location, level = location): readonly Trap[] {
  const { modifier, path, at, server } = location;
  if (level === server || modifier === '=') return [];
  if (!isPrefix(modifier)) {
    const seen = `${title(location)} is a regex location`;
    const why =
      'nginx uses the first regex location that matches, even if the request is for another one.';
    return [{ at, seen, why, fix: 'location ^~ /…/ { … }' }];
  }
  const outside = level.parent as Location;
  const outer = withoutCaret(location, outside);
  if (level.modifier === '^~') return outer;
  const inside = level === location ? '' : `${title(location)} is inside `;
  const same = {
    why: 'nginx prefers a regex location to a prefix location without ^~: a regex location anywhere in the server block bypasses the gate, and `internal`.',
    fix: `location ^~ ${path} { … }${inside && ' in the server block'}`,
  };
  return [
    { at, seen: `${inside}${title(level)}${inside && ', which'} has no ^~`, ...same },
    ...outer,
    ...regexRivals(outside, path).map((rival) => {
      return {
        at: rival.at,
        seen: `${title(rival)} takes precedence over ${titleAt(location)}`,
        ...same,
      };
    }),
  ];
}

/** Blocks inside the public location, which do not inherit the directives of the snippet. */
function nested({ gates, passing }: SiteConfig): readonly Trap[] {
  return gates.flatMap((gate) => {
    const isXAccel = passing.includes(gate);
    const lost = isXAccel ? 'proxy_pass' : 'try_files';
    // By X-Accel an `if` inherits proxy_pass, in contrast to a location.
    return inside(gate)
      .filter((at) => !isXAccel || at.name === 'location' || goesElsewhere(at))
      .map((at) => ({
        at,
        seen: `${wordsOf(at)} inside ${title(gate)}`,
        why: `A nested block does not inherit ${lost} from the snippet: the request does not reach the delivery or the gate, and nginx serves the file that it finds under that path.`,
        fix:
          at.name === 'location'
            ? 'use a separate location beside it, with ^~, the snippet and a mount'
            : 'keep only the include in this location; an `if` that always returns is harmless',
      }));
  });
}

function goesElsewhere({ block = [] }: Directive): boolean {
  return block.some(({ name }) => name === 'rewrite' || name.endsWith('_pass'));
}

/** The blocks in a location whose requests do not end there. */
export function inside({ block }: Location): readonly Directive[] {
  return block.filter(
    (at) =>
      ['location', 'limit_except'].includes(at.name) ||
      (at.name === 'if' && !confirms(at) && !alwaysReturns(at)),
  );
}

/** The `if` of public.conf: the request ends in a location without files, such as `/.postern/POST`. */
function confirms({ block = [] }: Directive): boolean {
  return block.map(wordsOf).join(';') === 'rewrite ^ /.postern/$request_method? last';
}

/** Above the `return`, no directive ends the block. */
function alwaysReturns({ block = [] }: Directive): boolean {
  const end = block.findIndex(({ name }) => name === 'return');
  const ends = ({ name, args }: Directive) =>
    name === 'break' || ['last', 'break'].includes(args[2] ?? '');
  return returns(block) && !block.slice(0, end).some(ends);
}

/** A missing slash in any location of the site, which can give access to the folder of the files. */
function aliasSlash({ http, internals }: SiteConfig): readonly Trap[] {
  return withNested(http.servers).flatMap((location): Trap | readonly Trap[] => {
    const { modifier, path, at } = location;
    const [alias] = own(location, 'alias');
    if (alias === undefined || !isPrefix(modifier)) return [];
    const [folder = ''] = alias.args;
    const folderEnds = folder.endsWith('/');
    const isInternal = internals.includes(location);
    if (!path.endsWith('/') && (folderEnds || isInternal)) {
      return {
        at,
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
  });
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
function nestedInternal({ mounts, gates, internals }: SiteConfig): readonly Trap[] {
  if (mounts !== undefined) return [];
  return internals.flatMap((inner) => {
    const publics = gates.filter(({ server }) => server === inner.server).map(({ path }) => path);
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
