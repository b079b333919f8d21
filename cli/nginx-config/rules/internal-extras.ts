import type { Rule } from '../finding.ts';
import { title, turnedOn } from '../scope.ts';

const EXTRAS: Readonly<Record<string, string>> = {
  ssi: "A page that somebody uploaded can include another one's file.",
  gzip_static: 'A file beside the one that was decided on is sent in its place.',
  autoindex: 'A folder is listed.',
  gzip: 'A compressed answer has no ranges: nobody can resume a download.',
};

/** What does more with a file than to send it. */
export const internalExtras: Rule = {
  id: 'internal-extras',
  find: ({ internals }) =>
    internals.flatMap((location) =>
      Object.entries(EXTRAS).flatMap(([name, why]) => {
        const at = turnedOn(location, name);
        if (at === undefined) return [];
        const place = `${location.at.file}:${location.at.line}`;
        const seen = `${name} ${at.args.join(' ')} holds in ${title(location)} (${place})`;
        return [{ at, seen, why, fix: `${name} off; in that location: internal.conf has it` }];
      }),
    ),
};
