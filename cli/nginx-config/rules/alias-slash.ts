import type { Finding, Rule } from '../finding.ts';
import { isPrefix } from '../match.ts';
import { type Location, own, title, withNested } from '../scope.ts';

/** A missing slash in any location of the site: it can open the folder of the files. */
export const aliasSlash: Rule = {
  id: 'alias-slash',
  find: ({ http, internals }) =>
    http.servers
      .flatMap(({ locations }) => withNested(locations))
      .flatMap((location) => findIn(location, internals.includes(location))),
};

function findIn(location: Location, isInternal: boolean): readonly Finding[] {
  const { modifier, path } = location;
  const [alias] = own(location, 'alias');
  const folder = alias?.args[0] ?? '';
  if (alias === undefined || !isPrefix(modifier)) return [];
  const [pathEnds, folderEnds] = [path.endsWith('/'), folder.endsWith('/')];
  if (!pathEnds && (folderEnds || isInternal)) {
    return [
      {
        at: location.at,
        seen: `${title(location)} { alias ${folder}; }`,
        why: `The location does not end with a slash: ${beside(path, folder)}`,
        fix: `location ^~ ${path}/ { … alias ${folder.replace(/\/?$/, '/')}; }`,
      },
    ];
  }
  if (!isInternal || folderEnds) return [];
  return [
    {
      at: alias,
      seen: `alias ${folder} in ${title(location)}`,
      why: `The folder does not end with a slash: ${beside(path, folder)}`,
      fix: `alias ${folder}/;`,
    },
  ];
}

/** nginx appends the rest of the path to the alias without a check. */
function beside(path: string, folder: string): string {
  const way = folder.endsWith('/') ? '../x' : '-old/x';
  return `${path}${way} opens ${folder}${way}, outside the folder.`;
}
