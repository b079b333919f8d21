import { effective, firstWord, has, type Location, own, title, titleAt } from '../context.ts';
import { type Directive, isHandled, wordsOf } from '../directive.ts';
import { type Rule, rule, type Trap } from '../trap.ts';

const POLICY = '$postern_content_security_policy';

/** Headers and error pages that the client receives. */
export const deliveryRules: Readonly<Record<string, Rule>> = {
  'cache-control': rule({
    why: 'A shared cache in front of nginx can store the file and send it to other clients without a token.',
    fix: 'include postern/internal.conf;',
    find: ({ internals }) =>
      internals
        .filter((location) => !effective(location, 'add_header').some(keepsPrivate))
        .map((location) => ({
          at: location.at,
          seen: `${title(location)} sends no Cache-Control: private`,
        })),
  }),
  'http-conf': rule({
    why: 'A browser opens an uploaded page, SVG image or script with the rights of your site.',
    fix: 'include postern/http.conf; in the http block',
    find: ({ http, internals }) =>
      own(http, 'map').some(({ args }) => args[1] === POLICY)
        ? []
        : internals.flatMap(withoutPolicy),
  }),
  'error-page': ({ gates, internals }) => [
    ...gates.flatMap(opened),
    ...gates.flatMap(silenced),
    ...internals.flatMap(saved),
  ],
  'add-header': ({ internals }) => internals.flatMap(lostHeaders),
};

function keepsPrivate(line: Directive): boolean {
  const { 1: value = '' } = line.args;
  return headerName(line) === 'cache-control' && /no-store|private/.test(value);
}

/** file.conf sends a policy, which without http.conf is empty. */
function withoutPolicy(location: Location) {
  if (own(location, 'set').some(({ args }) => args[0] === POLICY)) return [];
  const seen = `${title(location)} sends no Content-Security-Policy: the http block has no map for ${POLICY}`;
  return effective(location, 'add_header')
    .filter(({ args }) => args[1] === POLICY)
    .map((at) => ({ at, seen }));
}

/** Headers of the server block that the internal location replaces with its own. */
function lostHeaders(location: Location): readonly Trap[] {
  const names = own(location, 'add_header').map(headerName);
  if (names.length === 0 || location.parent === undefined) return [];
  if (firstWord(location, 'add_header_inherit') === 'merge') return [];
  return effective(location.parent, 'add_header')
    .filter((line) => !names.includes(headerName(line)))
    .map((at) => ({
      at,
      seen: `add_header ${at.args[0]} is not sent with files from ${titleAt(location)}`,
      why: 'An add_header in a location replaces all inherited ones, and internal.conf contains add_header lines.',
      fix: `${addedHeader(at)} in that location, below the include`,
    }));
}

/** The directive as text. */
export function addedHeader({ args }: Directive): string {
  return `add_header ${args.map(quoted).join(' ')};`;
}

export function headerName({ args }: Directive): string | undefined {
  return args[0]?.toLowerCase();
}

function quoted(word: string): string {
  return /^[^\s;{}"'\\#]+$/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`;
}

/** An error page for a denial, or for the status of an `if`, that serves files. */
function opened(gate: Location): readonly Trap[] {
  const lines = effective(gate, 'error_page');
  const counts = (line: Directive, at: number) => {
    const above = lines.slice(0, at).flatMap(statuses);
    return statuses(line).some((status) => !above.includes(status));
  };
  return lines
    .filter((line, at) => counts(line, at) && (isAllow(line) || leadsToFiles(line, gate)))
    .map((at) => ({
      at,
      seen: `${wordsOf(at)} applies to ${titleAt(gate)}`,
      why: 'nginx uses it before the gate has allowed the request, or after a denial: a file that it names is sent without a token.',
      fix: 'error_page … /pages/401.html; use a separate page, without = and without a variable',
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
    return named !== undefined && !to.startsWith('@postern_') && !isHandled(named.block);
  }
  return to.startsWith('/') && /\$\{?(uri|request_uri|document_uri|request_filename)\b/.test(to);
}

/** The statuses of a denial. The other statuses are errors, for which the snippet has a page. */
const DENIALS = ['401', '403'];

/** Error pages of the site that the error pages of the snippet replace. */
function silenced(gate: Location): readonly Trap[] {
  const lines = own(gate, 'error_page');
  if (lines.length === 0 || gate.parent === undefined) return [];
  const isReplaced = (status: string) => {
    // nginx uses the first line for a status.
    const line = lines.find((one) => statuses(one).includes(status));
    return line?.args.at(-1)?.startsWith('@postern_');
  };
  return effective(gate.parent, 'error_page').flatMap((at) => {
    const lost = statuses(at).filter(isReplaced);
    const denials = lost.filter((status) => DENIALS.includes(status));
    // Nearly every site has pages for errors only: replacing them is harmless.
    if (denials.length === 0) return [];
    const others = lost.filter((status) => !DENIALS.includes(status));
    const page = at.args.at(-1);
    const also = others.length > 0 ? ` error_page ${others.join(' ')} =503 ${page};` : '';
    return {
      at,
      seen: `${wordsOf(at)} is not used in ${titleAt(gate)}`,
      why: `The error_page lines of the snippet for ${lost.join(', ')} replace it there.`,
      fix: `error_page ${denials.join(' ')} ${page};${also} in that location, above the include, if you want it; never with =200`,
    };
  });
}

function saved(location: Location): readonly Trap[] {
  if (has(location, 'error_page')) return [];
  return effective(location, 'error_page').map((at) => ({
    at,
    seen: `${wordsOf(at)} is inherited by ${titleAt(location)}`,
    why: "If a file does not exist, nginx sends the site's page, and the browser saves that page as the download.",
    fix: 'include postern/internal.conf; its error_page stops the inheritance',
  }));
}

function statuses({ args }: Directive): readonly string[] {
  return args.filter((word) => /^\d{3}$/.test(word));
}
