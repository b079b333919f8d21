import type { Directive, Location } from '../context.ts';
import type { Rule, Trap } from '../site.ts';

export const deliveryRules: Readonly<Record<string, Rule>> = {
  'error-page': ({ gates, generated }) => [
    ...gates.flatMap(opened),
    ...gates.flatMap((gate) => silenced(gate, generated)),
  ],
  'add-header': ({ internals }) => internals.flatMap(lostHeaders),
};

/** Headers of the server block that the internal location replaces with its own. */
function lostHeaders(location: Location): readonly Trap[] {
  const names = location.own('add_header').map(headerName);
  if (names.length === 0 || location.parent === undefined) return [];
  if (location.firstWord('add_header_inherit') === 'merge') return [];
  return location.parent
    .effective('add_header')
    .filter((line) => !names.includes(headerName(line)))
    .map((at) => ({
      at,
      seen: `add_header ${at.args[0]} is not sent with files from ${location.titleAt}`,
      why: 'An add_header in a location replaces all inherited ones, and internal.conf contains add_header lines.',
      fix: `in ${location.titleAt}: ${at.text}`,
    }));
}

export function headerName({ args }: Directive): string | undefined {
  return args[0]?.toLowerCase();
}

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

/** The statuses of a denial. The other statuses are errors, for which the snippet has a page. */
const DENIALS = ['401', '403'];

/** Error pages of the site that the error pages of the snippet replace. */
function silenced(gate: Location, generated: readonly string[]): readonly Trap[] {
  const lines = gate.own('error_page');
  if (lines.length === 0 || gate.parent === undefined) return [];
  const isReplaced = (status: string) => {
    // nginx uses the first line for a status.
    const line = lines.find((one) => statuses(one).includes(status));
    return line?.args.at(-1)?.startsWith('@postern_');
  };
  return gate.parent.effective('error_page').flatMap((at) => {
    const lost = statuses(at).filter(isReplaced);
    const denials = lost.filter((status) => DENIALS.includes(status));
    // Nearly every site has pages for errors only: replacing them is harmless.
    if (denials.length === 0) return [];
    const others = lost.filter((status) => !DENIALS.includes(status));
    const page = at.args.at(-1);
    const also = others.length > 0 ? ` error_page ${others.join(' ')} =503 ${page};` : '';
    const isGenerated = generated.includes(gate.file);
    return {
      at,
      seen: `${at.words} is not used in ${gate.titleAt}`,
      why: `The error_page lines of the snippet for ${lost.join(', ')} replace it there.`,
      fix: isGenerated
        ? `the command in the first lines of ${gate.file}, with --error-pages`
        : `in ${gate.titleAt}: error_page ${denials.join(' ')} ${page};${also}`,
      verdict: 'advice' as const,
    };
  });
}

function statuses({ args }: Directive): readonly string[] {
  return args.filter((word) => /^\d{3}$/.test(word));
}
