import type { Finding, Rule } from '../finding.ts';
import { effective, type Location, own, title } from '../scope.ts';

/** Headers of the server block that the internal location replaces with its own. */
export const addHeader: Rule = {
  id: 'add-header',
  find: ({ internals }) => internals.flatMap(findIn),
};

function findIn(location: Location): readonly Finding[] {
  const here = own(location, 'add_header');
  if (here.length === 0 || location.parent === undefined) return [];
  const names = new Set(here.map(({ args }) => args[0]?.toLowerCase()));
  return effective(location.parent, 'add_header')
    .filter(({ args }) => !names.has(args[0]?.toLowerCase()))
    .map((at) => ({
      at,
      seen: `add_header ${at.args[0]} is not sent with files from ${title(location)} (${location.at.file}:${location.at.line})`,
      why: 'An add_header in a location replaces all inherited ones, and headers.conf contains add_header lines.',
      fix: `add_header ${at.args.map(quoted).join(' ')}; in that location, below the include`,
    }));
}

function quoted(word: string): string {
  return /^[^\s;{}"'\\#]+$/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`;
}
