import { effective, inForce, type Location, own, refuses, title, titleAt } from '../context.ts';
import { type Directive, isHandled, wordsOf } from '../directive.ts';
import { DELIVERY, type Gate, type SiteConfig } from '../site.ts';
import { type Requirements, type Trap, unmet } from '../trap.ts';

const DELIVER: Requirements = {
  'if ($postern_seen !~ "(^|[ :])204/|^/HIT$") { return 500; }': {
    why: 'auth_request allows any 2xx: a 200 from a wrong server that names a target would open the file.',
    isMet: refusesEach('$postern_seen', '200/', '206/', '204, 200/', '502, 206/', '/MISS', '/'),
  },
  'if ($postern_target !~ "^/[^/]") { return 500; }': {
    why: 'Without a target the gate has not decided anything.',
    isMet: refusesEach('$postern_target', '', 'a', '//a'),
  },
  'if ($postern_target ~ "//|/\\.\\.?(/|$)") { return 500; }': {
    why: 'rewrite does not check the target: nginx would serve a target that contains /../.',
    isMet: refusesEach('$postern_target', '/a/../b', '/a/./b', '/a//b', '/a/..', '/..'),
  },
  'rewrite ^ $postern_target?$postern_args? last;': {
    why: 'Without the final ? nginx passes the client’s query, and the token in it, to the internal location.',
    isMet: (location) =>
      own(location, 'rewrite').every(({ args }) => args[1]?.endsWith('?') ?? false),
  },
};

function refusesEach(variable: string, ...values: readonly string[]) {
  return (location: Location) => values.every((value) => refuses(location, variable, value));
}

/** The delivery location of auth-request.conf, if it was edited. */
export function delivery({ servers }: SiteConfig): readonly Trap[] {
  return servers
    .flatMap(({ locations }) => locations.filter(({ path }) => path === DELIVERY))
    .flatMap((location) => unmet(location, DELIVER));
}

/** Headers of the server block that the internal location replaces with its own. */
export function addHeader({ internals }: SiteConfig): readonly Trap[] {
  return internals.flatMap((location) => {
    const names = own(location, 'add_header').map(headerName);
    if (names.length === 0 || location.parent === undefined) return [];
    if (inForce(location, 'add_header_inherit')?.args[0] === 'merge') return [];
    return effective(location.parent, 'add_header')
      .filter((line) => !names.includes(headerName(line)))
      .map((at) => ({
        at,
        seen: `add_header ${at.args[0]} is not sent with files from ${titleAt(location)}`,
        why: 'An add_header in a location replaces all inherited ones, and headers.conf contains add_header lines.',
        fix: `${addedHeader(at)} in that location, below the include`,
      }));
  });
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

/** Files that a shared cache in front of nginx may store. With X-Accel the service sends the header. */
export function cacheControl({ internals, gates }: SiteConfig): readonly Trap[] {
  const asking = gates.filter(({ mode }) => mode === 'auth_request');
  const isPrivate = (line: Directive) =>
    headerName(line) === 'cache-control' &&
    /\$postern_cache_control|no-store|private/.test(line.args[1] ?? '');
  return internals
    .filter(({ server }) => asking.some(({ location }) => location.server === server))
    .filter((location) => !effective(location, 'add_header').some(isPrivate))
    .map((location) => ({
      at: location.at,
      seen: `${title(location)} sends no Cache-Control: private`,
      why: 'A shared cache in front of nginx can store the file and send it to other clients without a token.',
      fix: 'include postern/headers.conf;',
    }));
}

/** Error pages of the site that replace those of the snippets, and the reverse. */
export function errorPage({ gates, internals }: SiteConfig): readonly Trap[] {
  return [...gates.flatMap(opened), ...gates.flatMap(silenced), ...internals.flatMap(saved)];
}

/** An error page for a denial, or for the status of an `if`, that serves files. */
function opened({ location }: Gate): readonly Trap[] {
  const lines = effective(location, 'error_page');
  const counts = (line: Directive, at: number) => {
    const above = lines.slice(0, at).flatMap(statuses);
    return statuses(line).some((status) => !above.includes(status));
  };
  return lines
    .filter((line, at) => counts(line, at) && (isAllow(line) || leadsToFiles(line, location)))
    .map((at) => ({
      at,
      seen: `${wordsOf(at)} is in force in ${titleAt(location)}`,
      why: 'nginx uses it before the gate has allowed the request, or after a denial: a file that it leads to is sent without a token.',
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

function silenced({ location }: Gate): readonly Trap[] {
  const lines = own(location, 'error_page');
  if (lines.length === 0 || location.parent === undefined) return [];
  const isReplaced = (status: string) => {
    // nginx uses the first line for a status.
    const line = lines.find((one) => statuses(one).includes(status));
    return line?.args.at(-1)?.startsWith('@postern_');
  };
  return effective(location.parent, 'error_page').flatMap((at) => {
    const lost = statuses(at).filter(isReplaced);
    const denials = lost.filter((status) => DENIALS.includes(status));
    // Nearly every site has pages for errors only: replacing them is harmless.
    if (denials.length === 0) return [];
    const others = lost.filter((status) => !DENIALS.includes(status));
    const page = at.args.at(-1);
    const also = others.length > 0 ? ` error_page ${others.join(' ')} =503 ${page};` : '';
    return {
      at,
      seen: `${wordsOf(at)} is not used in ${titleAt(location)}`,
      why: `The error_page lines of the snippet for ${lost.join(', ')} replace it there.`,
      fix: `error_page ${denials.join(' ')} ${page};${also} in that location, above the include, if you want it; never with =200`,
    };
  });
}

function saved(location: Location): readonly Trap[] {
  if (own(location, 'error_page').length > 0) return [];
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
