import type { Finding, Rule } from '../finding.ts';
import { isPrefix } from '../match.ts';
import { type Location, title } from '../scope.ts';
import type { Site } from '../site.ts';

/**
 * An internal location below another one, if no two public locations nest in the same way. If the mounts
 * are known, there is nothing to find: mounts that nest so are a configuration error.
 */
export const nestedInternal: Rule = {
  id: 'nested-internal',
  find: (site) => (site.mounts === undefined ? site.internals.flatMap(nestedIn(site)) : []),
};

function nestedIn({ gates, internals }: Site): (inner: Location) => readonly Finding[] {
  return (inner) => {
    const isHere = ({ server }: Location) => server === inner.server;
    const publics = gates.flatMap(({ location }) => (isHere(location) ? location.path : []));
    // With one public location there is one mount, and all internal locations are for its tokens.
    if (publics.length < 2) return [];
    return internals
      .filter((outer) => isHere(outer) && isBelow(inner, outer))
      .filter((outer) => {
        const rest = inner.path.slice(outer.path.length);
        return !publics.some((path) => publics.includes(path + rest));
      })
      .map((outer) => ({
        at: inner.at,
        seen: `${title(inner)} is below ${title(outer)}`,
        why: `A token for the public prefix of ${outer.path} also opens files of ${inner.path}, which may belong to another public prefix.`,
        fix: `use an internal prefix that is not below ${outer.path}; if both belong to one mount, pass the mounts with --mounts`,
      }));
  };
}

function isBelow(inner: Location, outer: Location): boolean {
  const prefixes = isPrefix(inner.modifier) && isPrefix(outer.modifier);
  return prefixes && inner.path !== outer.path && inner.path.startsWith(outer.path);
}
