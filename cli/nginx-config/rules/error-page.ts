import type { Directive } from '../directive.ts';
import type { Finding, Rule } from '../finding.ts';
import { isHandled } from '../handled.ts';
import { effective, own, title } from '../scope.ts';
import type { Gate, Site } from '../site.ts';

/** Pages for errors: the site's where it should be ours, and ours where it wants its own. */
export const errorPage: Rule = {
  id: 'error-page',
  find: (site) => [...site.gates.flatMap(opened), ...site.gates.flatMap(silenced), ...saved(site)],
};

/** A denial, or the status of an `if`, that leads to files. */
function opened({ location }: Gate): readonly Finding[] {
  const lines = effective(location, 'error_page');
  const counts = (line: Directive, at: number) => {
    const above = lines.slice(0, at).flatMap(statuses);
    return statuses(line).some((status) => !above.includes(status));
  };
  return lines
    .filter((line, at) => counts(line, at) && (isAllow(line) || leadsToFiles(line, location)))
    .map((at) => ({
      at,
      seen: `error_page ${at.args.join(' ')} is in force in ${title(location)} (${location.at.file}:${location.at.line})`,
      why: 'It runs before the gate allows anything, or after it has denied: a file that it leads to comes without a token.',
      mend: 'error_page … /pages/401.html; a page of its own, without = and without a variable',
    }));
}

function isAllow({ args }: Directive): boolean {
  return args.some((word) => /^=2\d\d$/.test(word));
}

/** To a name, the path that was asked for goes along; a page has a path of its own. */
function leadsToFiles({ args }: Directive, { server }: Gate['location']): boolean {
  const to = args.at(-1) ?? '';
  if (to.startsWith('@')) {
    const named = server.locations.find(({ path }) => path === to);
    return named !== undefined && !to.startsWith('@postern_') && !isHandled(named.block);
  }
  return to.startsWith('/') && /\$\{?(uri|request_uri|document_uri|request_filename)\b/.test(to);
}

/** The statuses of a decision. The others are errors, for which the snippet has a page. */
const DENIALS = ['401', '403'];

function silenced({ location }: Gate): readonly Finding[] {
  const ours = own(location, 'error_page');
  if (ours.length === 0 || location.parent === undefined) return [];
  // The first line for a status counts.
  const replaced = (status: string) =>
    ours
      .find((line) => statuses(line).includes(status))
      ?.args.at(-1)
      ?.startsWith('@postern_');
  return effective(location.parent, 'error_page').flatMap((at) => {
    const lost = statuses(at).filter(replaced);
    const denials = lost.filter((status) => DENIALS.includes(status));
    // Nearly every site has a page for errors only, and loses nothing.
    if (denials.length === 0) return [];
    const others = lost.filter((status) => !DENIALS.includes(status));
    const page = at.args.at(-1);
    const lines = [
      `error_page ${denials.join(' ')} ${page};`,
      ...(others.length > 0 ? [`error_page ${others.join(' ')} =503 ${page};`] : []),
    ];
    return [
      {
        at,
        seen: `error_page ${at.args.join(' ')} is not used in ${title(location)} (${location.at.file}:${location.at.line})`,
        why: `The snippet's own lines for ${lost.join(', ')} replace it there.`,
        mend: `${lines.join(' ')} in that location, above the include, if you want it there; never with =200`,
      },
    ];
  });
}

function saved({ internals }: Site): readonly Finding[] {
  return internals.flatMap((location) => {
    if (own(location, 'error_page').length > 0) return [];
    return effective(location, 'error_page').map((at) => ({
      at,
      seen: `error_page ${at.args.join(' ')} is inherited by ${title(location)} (${location.at.file}:${location.at.line})`,
      why: "For a file that is not there the site's page is sent, and saved as the download.",
      mend: 'include postern/internal.conf; it has an error_page that ends the inheritance',
    }));
  });
}

function statuses({ args }: Directive): readonly string[] {
  return args.filter((word) => /^\d{3}$/.test(word));
}
