import type { Position } from './directive.ts';
import type { SiteConfig } from './site.ts';

export interface Trap {
  readonly at: Position;
  /** What the configuration contains, in one line. */
  readonly seen: string;
  readonly why: string;
  /**
   * What to change. A change of nginx's configuration begins with its place, so that it can be made as printed:
   * `in <block> (<file>:<line>): <lines>`, `instead of this line: <lines>` or `delete this line`.
   */
  readonly fix: string;
}

export type Rule = (site: SiteConfig) => Iterable<Trap>;

/** A rule whose findings have the same reason and fix, unless a finding has its own. */
export function rule({ find, ...texts }: Pick<Trap, 'why' | 'fix'> & { find: Find }): Rule {
  return (site) => Array.from(find(site), (found) => ({ ...texts, ...found }));
}

type Find = (site: SiteConfig) => Iterable<Pick<Trap, 'at' | 'seen'> & Partial<Trap>>;
