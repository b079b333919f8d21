import { Directive, Http } from './context.ts';
import { load, type Sources } from './load.ts';
import { exposedRules } from './rules/exposed.ts';
import { unavailable } from './rules/files.ts';
import { frontRules } from './rules/front.ts';
import { knownHole, mountMismatch, otherVersion, tooOld } from './rules/installation.ts';
import { jit } from './rules/jit.ts';
import { locationRules } from './rules/locations.ts';
import { secondUrl } from './rules/second-url.ts';
import { serverRules } from './rules/server.ts';
import { slices } from './rules/slices.ts';
import { snippetRules } from './rules/snippets.ts';
import { unknown } from './rules/unknown.ts';
import { upstreamRules } from './rules/upstream.ts';
import { type Known, type Rule, type Severity, siteOf, snippetOf, type Trap } from './site.ts';

/** Ordered by damage: exposed files, exposed tokens, failed requests. */
export const RULES: Readonly<Record<string, Rule>> = {
  'old-nginx': tooOld,
  ...exposedRules,
  ...frontRules,
  ...snippetRules,
  ...locationRules,
  ...serverRules,
  ...upstreamRules,
  slices,
  jit,
  version: otherVersion,
  mounts: mountMismatch,
  unavailable,
  unknown,
  'known-hole': knownHole,
};

/** These cost speed or comfort, or do not show a file to anybody who has no token. */
const ADVICE = new Set(['known-hole', 'old-nginx', 'plain-http', 'descriptors', 'jit']);

export interface Finding extends Trap {
  readonly rule: string;
  readonly verdict: Severity;
  /** Why the operator accepts it. */
  readonly accepted?: string | undefined;
}

const ORDER: readonly Severity[] = ['failed', 'question', 'advice'];

/** Finds each trap once, even if two server blocks include the same line, and the worst first. @throws Unreadable */
export async function examine(sources: Sources, known: Known) {
  const { root, files } = load(sources);
  const snippets = files.flatMap((file) => snippetOf(file, sources.read(file) ?? ''));
  const site = siteOf(new Http(root, sources.main, known.version?.prefix), snippets, known);
  const asked = await secondUrl(site, known.nginx);
  const found = new Map<string, Finding>();
  for (const [rule, find] of Object.entries(RULES)) {
    if (site.protect && !['second-url', 'unknown'].includes(rule)) continue;
    for (const trap of [...(rule === 'second-url' ? asked.traps : []), ...find(site)]) {
      const { verdict = ADVICE.has(rule) ? 'advice' : 'failed', at } = trap;
      const accepted =
        verdict === 'question' ? acceptance(sources.read(at.file), at.line) : undefined;
      const key = [rule, at.file, at.line, trap.seen].join('\0');
      const fix = placed(trap, sources.read(at.file));
      found.set(key, { ...trap, fix, rule, verdict, accepted });
    }
  }
  const findings = [...found.values()].sort(
    (a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict),
  );
  return { site, files, findings, asked };
}

/** The fix. It names the directive if its line has others, too, or ends before its brace. */
function placed({ fix, at }: Trap, text = ''): string {
  const line = text.split('\n')[at.line - 1] ?? '';
  if (!(at instanceof Directive) || /^[^;{}#]*[;{]\s*(#.*)?$/.test(line)) return fix;
  return /^(delete|instead of) this line/.test(fix)
    ? fix.replace('this line', at.titleAt).replace(/ ?[;{](?=$| \()/, '')
    : fix;
}

const ACCEPT = /#\s*postern-doctor: accept\s+(\S.*?)\s*$/;

/** The reason in a comment at the end of the line, or in a comment above it. */
function acceptance(text = '', line: number): string | undefined {
  const [above = '', own = ''] = ['', ...text.split('\n')].slice(line - 1, line + 1);
  return (ACCEPT.exec(own) ?? (/^\s*#/.test(above) ? ACCEPT.exec(above) : null))?.[1];
}
