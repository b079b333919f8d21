import type { Rule } from '../finding.ts';
import { title, turnedOn } from '../scope.ts';

const EXTRAS: Readonly<Record<string, string>> = {
  ssi: 'An uploaded page can include the files of other users.',
  gzip_static:
    'nginx sends the .gz file beside the requested file instead of the file that the gate allowed.',
  autoindex: 'nginx lists the folder.',
  gzip: 'A compressed response has no ranges: a client cannot resume a download.',
};

/** Modules that do more with a file than send it. */
export const internalExtras: Rule = {
  id: 'internal-extras',
  find: ({ internals }) =>
    internals.flatMap((location) =>
      Object.entries(EXTRAS).flatMap(([name, why]) => {
        const at = turnedOn(location, name);
        if (at === undefined) return [];
        const place = `${location.at.file}:${location.at.line}`;
        const seen = `${name} ${at.args.join(' ')} is in force in ${title(location)} (${place})`;
        return [
          { at, seen, why, fix: `${name} off; in that location (internal.conf contains it)` },
        ];
      }),
    ),
};
