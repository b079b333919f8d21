import { type Directive, type Location, quoted } from '../context.ts';
import { AUTH_REQUEST, DELIVERY, type Rule, type SiteConfig, type Trap } from '../site.ts';

/** Locations that serve files without asking the gate, or another file than the one that it allowed. */
export const locationRules: Readonly<Record<string, Rule>> = {
  'no-gate': ({ http, gates, mounts }) => {
    const prefix = mounts?.[0]?.prefix ?? '/download/';
    const [server] = http.servers;
    const own = server?.locations.find((one) => one.isPrefix && one.path === prefix);
    const seen = 'no location uses Postern';
    const why = 'nginx serves all files of this configuration without a token.';
    const location = `location ^~ ${quoted(prefix)} { include postern/protect.conf; }`;
    const fix = `${own ? 'instead of this location' : `in ${(server ?? http).titleAt}`}: ${location}`;
    return gates.length > 0 ? [] : [{ at: own ?? server ?? http, seen, why, fix }];
  },
  'missing-caret': ({ publics, internals }) => [...publics, ...internals].flatMap(withoutCaret),
  nested,
  'internal-rewrite': ({ internals }) =>
    internals.flatMap((location) =>
      location.own('rewrite').map((at) => ({
        at,
        seen: `${at.words} in ${location.words}`,
        why: 'The URI is no longer the one that the gate allowed. Above the include every download is a 404; below it a 500 with alias, and another file with root.',
        fix: 'delete this line: the mount maps the public prefix to the internal prefix',
      })),
    ),
  'server-auth-request': ({ http }) =>
    [http, ...http.servers].flatMap((context) => {
      const lines = [...context.own('auth_request'), ...context.own('try_files')];
      const at = lines.find(({ args }) => args[0] === AUTH_REQUEST || args.at(-1) === DELIVERY);
      if (at === undefined) return [];
      return {
        at,
        seen: `${at.text.slice(0, -1)} in the ${context.name} block`,
        why: 'Every location inherits auth_request, but a location with its own try_files does not inherit the delivery: the whole site requires a token, internal locations ask a second time, and nginx may serve another file than the one that the gate allowed.',
        fix: 'delete this line, and include postern/protect.conf; in the public location',
      };
    }),
  'second-url': aliasSlash,
};

/** A public or internal location without `^~`, which stops only the regex locations beside it: each location around it needs it, too. */
function withoutCaret(location: Location): Trap | readonly Trap[] {
  const { path, isPrefix, modifier } = location;
  const level = around(location).find((one) => one.modifier !== '^~');
  if (modifier === '=' || level === undefined) return [];
  const isInside = level !== location;
  const rivals = (level.parent as Location).regexRivals(path).filter((one) => one !== location);
  const prefers = rivals.map((one) => one.titleAt).join(', ');
  const line = `location ^~ ${quoted(isPrefix ? path : '/…/')} {`;
  return {
    at: location,
    seen: `${location.words}${isInside ? ` is inside ${level.words}, which` : ''} has no ^~${prefers && `: nginx prefers ${prefers}`}`,
    why: 'nginx prefers a regex location to a prefix location without ^~, and takes the first regex that matches: one of the server block can bypass both the gate and `internal`.',
    fix:
      isInside || !isPrefix ? `in the server block: ${line} … }` : `instead of this line: ${line}`,
  };
}

/** A location, and those around it. */
function around(location: Location): readonly Location[] {
  return location === location.server ? [] : [location, ...around(location.parent as Location)];
}

/** Blocks inside a public or internal location, which do not inherit the directives of its snippet. */
function nested({ publics, internals, passing, slices, snippets }: SiteConfig): readonly Trap[] {
  const ours = snippets.map(({ file }) => file);
  const proxies = [...passing, ...slices.outers];
  return [...publics, ...internals].flatMap((location) =>
    location.block
      .filter((at) => !ours.includes(at.file) && isOpen(at, proxies.includes(location)))
      .map((at) => ({
        at,
        seen: `${at.words} inside ${location.words}`,
        why: 'A nested block does not inherit the checks of the snippet: nginx serves a file that the gate did not allow, or shows the internal prefix.',
        fix: 'delete this block; an `if` that always returns is harmless',
      })),
  );
}

/** Whether requests can leave the location through a block. An `if` inherits proxy_pass. */
function isOpen({ name, block = [] }: Directive, isProxy: boolean): boolean {
  if (!['location', 'limit_except', 'if'].includes(name)) return false;
  const passes = block.some((one) => one.name === 'rewrite' || one.name.endsWith('_pass'));
  if (name !== 'location' && isProxy && !passes) return false;
  const end = block.find(
    (one) => /^(return|break)$/.test(one.name) || /^(last|break)$/.test(one.args[2] ?? ''),
  );
  return name !== 'if' || end?.name !== 'return';
}

/** An internal location or its alias without a slash at the end. */
function aliasSlash({ internals }: SiteConfig): readonly Trap[] {
  return internals.flatMap((location): Trap | readonly Trap[] => {
    const { modifier, path, isPrefix } = location;
    const [alias] = location.own('alias');
    const [folder = ''] = alias?.args ?? [];
    const isShort = !path.endsWith('/');
    if (alias === undefined || !isPrefix || (!isShort && folder.endsWith('/'))) return [];
    const line = isShort
      ? `location ${modifier && `${modifier} `}${quoted(`${path}/`)} {`
      : `alias ${quoted(`${folder}/`)};`;
    return {
      at: isShort ? location : alias,
      seen: `alias ${folder} in ${location.words}`,
      why: 'Both must end with a slash: nginx appends the rest of the path to the folder, without a check.',
      fix: `instead of this line: ${line}`,
    };
  });
}
