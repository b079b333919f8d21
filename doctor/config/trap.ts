import { effective, type Location, title, titleAt, turnedOn } from './context.ts';
import { type Position, wordsOf } from './directive.ts';
import type { SiteConfig } from './site.ts';

export interface Trap {
  readonly at: Position;
  /** What the configuration contains, in one line. */
  readonly seen: string;
  readonly why: string;
  /** The directive that fixes it, or what to change. */
  readonly fix: string;
}

export type Rule = (site: SiteConfig) => Iterable<Trap>;

/** A rule whose findings have the same reason and fix, unless a finding has its own. */
export function rule({ find, ...texts }: Pick<Trap, 'why' | 'fix'> & { find: Find }): Rule {
  return (site) => Array.from(find(site), (found) => ({ ...texts, ...found }));
}

type Find = (site: SiteConfig) => Iterable<Pick<Trap, 'at' | 'seen'> & Partial<Trap>>;

/** The lines of a snippet that protect something, each with its reason. The line is also the fix. */
export type Requirements = Readonly<Record<string, string | Requirement>>;

interface Requirement {
  readonly why: string;
  /** By default: whether the line applies. */
  isMet(location: Location): boolean;
}

/** Compares the directives that apply, not the text, because a snippet may be edited. */
export function unmet(
  locations: readonly Location[],
  lines: Requirements,
  snippet: string,
): readonly Trap[] {
  return locations.flatMap((location) =>
    Object.entries(lines).flatMap(([line, need]) => {
      const { why, isMet } =
        typeof need === 'string' ? { why: need, isMet: () => isInForce(location, line) } : need;
      if (isMet(location)) return [];
      const fix = `${line} (${snippet} contains it)`;
      return { at: location.at, seen: `${title(location)} lacks ${line}`, why, fix };
    }),
  );
}

function isInForce(location: Location, line: string): boolean {
  const [name = '', first, second] = line.replace(/;$/, '').split(' ');
  // The others are off by default, so the line is only needed if another line turns them on.
  if (first === 'off' && name !== 'proxy_pass_request_headers') {
    return turnedOn(location, name) === undefined;
  }
  // Header names are case-insensitive.
  return effective(location, name).some(
    ({ args }) => args[0]?.toLowerCase() === first?.toLowerCase() && args[1] === second,
  );
}

/** Directives that must be off, with the reason. */
export function turnedOnIn(
  locations: readonly Location[],
  reasons: Readonly<Record<string, string>>,
  hint = '',
): readonly Trap[] {
  return locations.flatMap((location) =>
    Object.entries(reasons).flatMap(([name, why]) => {
      const at = turnedOn(location, name);
      if (at === undefined) return [];
      const seen = `${wordsOf(at)} applies to ${titleAt(location)}`;
      return { at, seen, why, fix: `${name} off; in that location${hint}` };
    }),
  );
}
