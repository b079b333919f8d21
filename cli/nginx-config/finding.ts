import type { Place } from './directive.ts';
import type { Site } from './site.ts';

/** A trap, and the way out of it. */
export interface Finding {
  readonly at: Place;
  /** What stands there, in one line. */
  readonly seen: string;
  readonly why: string;
  /** The directive that fixes it. */
  readonly fix: string;
}

export interface Rule {
  readonly id: string;
  find(site: Site): readonly Finding[];
}
