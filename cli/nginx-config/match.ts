import type { Location, Server } from './scope.ts';

/** The location that a URI's prefix leads to, before any regex is tried. */
export function prefixMatch(
  { locations }: Pick<Server, 'locations'>,
  uri: string,
): Location | undefined {
  const exact = locations.find(({ modifier, path }) => modifier === '=' && path === uri);
  if (exact !== undefined) return exact;
  const [best] = locations
    .filter(({ modifier, path }) => isPrefix(modifier) && uri.startsWith(path))
    .sort((a, b) => b.path.length - a.path.length);
  return best === undefined ? undefined : (prefixMatch(best, uri) ?? best);
}

/** The regex locations that could take a URI, or one below it, from its prefix location. */
export function regexRivals(server: Pick<Server, 'locations'>, uri: string): readonly Location[] {
  return server.locations.filter(
    ({ modifier, path }) => modifier.startsWith('~') && couldMatch(path, uri, modifier === '~*'),
  );
}

export function isPrefix(modifier: string): boolean {
  return modifier === '' || modifier === '^~';
}

/** Only a regex that begins with other letters surely does not match. */
function couldMatch(regex: string, uri: string, ignoresCase: boolean): boolean {
  if (hasAlternatives(regex)) return true;
  const literal = /^\^((?:[\w/-](?![*+?{]))*)/.exec(regex)?.[1] ?? '';
  const fold = (text: string) => (ignoresCase ? text.toLowerCase() : text);
  const [a, b] = [fold(literal), fold(uri)];
  return a.startsWith(b) || b.startsWith(a);
}

function hasAlternatives(regex: string): boolean {
  let depth = 0;
  for (const char of regex.replace(/\\[\s\S]/g, '')) {
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char === '|' && depth === 0) return true;
  }
  return false;
}
