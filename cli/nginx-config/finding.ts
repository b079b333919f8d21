import type { Place } from './directive.ts';
import type { Site } from './site.ts';

/** A trap, and how to fix it. */
export interface Finding {
  readonly at: Place;
  /** What the configuration contains, in one line. */
  readonly seen: string;
  readonly why: string;
  /** The directive that fixes it, or what to change. */
  readonly fix: string;
}

export interface Rule {
  readonly id: string;
  find(site: Site): readonly Finding[];
}
