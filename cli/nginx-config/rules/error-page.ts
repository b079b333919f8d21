import type { Directive } from '../directive.ts';
import type { Finding, Rule } from '../finding.ts';
import { isHandled } from '../handled.ts';
import { effective, own, title } from '../scope.ts';
import type { Gate, Site } from '../site.ts';

/** Error pages of the site that replace those of the snippets, and the reverse. */
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
      why: 'nginx uses it before the gate has allowed the request, or after a denial: a file that it leads to is sent without a token.',
      fix: 'error_page … /pages/401.html; use a separate page, without = and without a variable',
    }));
}

function isAllow({ args }: Directive): boolean {
  return args.some((word) => /^=2\d\d$/.test(word));
}

/** A named location serves the requested path, an error page has its own path. */
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
        why: `The error_page lines of the snippet for ${lost.join(', ')} replace it there.`,
        fix: `${lines.join(' ')} in that location, above the include, if you want it; never with =200`,
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
      why: "If a file does not exist, nginx sends the site's page, and the browser saves that page as the download.",
      fix: 'include postern/internal.conf; its error_page stops the inheritance',
    }));
  });
}

function statuses({ args }: Directive): readonly string[] {
  return args.filter((word) => /^\d{3}$/.test(word));
}
