import type { Directive, Location } from '../context.ts';
import type { Rule, Trap } from '../site.ts';

export const deliveryRules: Readonly<Record<string, Rule>> = {
  'error-page': ({ gates }) => gates.flatMap(opened),
};

/** An error page for a denial, or for the status of an `if`, that serves files. */
function opened(gate: Location): readonly Trap[] {
  const lines = gate.effective('error_page');
  const counts = (line: Directive, at: number) => {
    const above = lines.slice(0, at).flatMap(statuses);
    return statuses(line).some((status) => !above.includes(status));
  };
  return lines
    .filter((line, at) => counts(line, at) && (isAllow(line) || leadsToFiles(line, gate)))
    .map((at) => ({
      at,
      seen: `${at.words} applies to ${gate.titleAt}`,
      why: 'nginx uses it before the gate has allowed the request, or after a denial: a file that it names is sent without a token.',
      fix: 'delete this line, or name a page that is used for nothing else, without = and without a variable: error_page 401 /pages/401.html;',
    }));
}

function isAllow({ args }: Directive): boolean {
  return args.some((word) => /^=2\d\d$/.test(word));
}

/** A named location serves the requested path. Another error page has its own path. */
function leadsToFiles({ args }: Directive, { server }: Location): boolean {
  const to = args.at(-1) ?? '';
  if (to.startsWith('@')) {
    const named = server.locations.find(({ path }) => path === to);
    return named !== undefined && !to.startsWith('@postern_') && !named.isHandled;
  }
  return to.startsWith('/') && /\$\{?(uri|request_uri|document_uri|request_filename)\b/.test(to);
}

function statuses({ args }: Directive): readonly string[] {
  return args.filter((word) => /^\d{3}$/.test(word));
}
