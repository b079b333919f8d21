import type { Finding, Rule } from '../finding.ts';
import { isPrefix, regexRivals } from '../match.ts';
import { type Location, title } from '../scope.ts';

const WHY =
  'nginx prefers a regex location to a prefix location without ^~: a regex location anywhere in the server block bypasses the gate, and `internal`.';

/** `^~` on the public and on the internal location, and the locations that win without it. */
export const missingCaret: Rule = {
  id: 'missing-caret',
  find: ({ gates, internals }) =>
    [...gates.map(({ location }) => location), ...internals].flatMap(findIn),
};

function findIn(location: Location): readonly Finding[] {
  const { modifier, path, at, server } = location;
  if (modifier === '^~' || modifier === '=') return [];
  if (!isPrefix(modifier)) {
    const seen = `${title(location)} is a regex location`;
    const why =
      'nginx uses the first regex location that matches, even if the request is for another one.';
    return [{ at, seen, why, fix: 'location ^~ /…/ { … }' }];
  }
  const fix = `location ^~ ${path} { … }`;
  const rivals = regexRivals(server, path).filter((rival) => rival !== location);
  return [
    { at, seen: `${title(location)} has no ^~`, why: WHY, fix },
    ...rivals.map((rival) => ({
      at: rival.at,
      seen: `${title(rival)} wins over ${title(location)} (${at.file}:${at.line})`,
      why: WHY,
      fix,
    })),
  ];
}
