import { effective, inForce, type Location, own, title, turnedOn } from './context.ts';
import type { Position } from './directive.ts';

/** A trap, and how to fix it. */
export interface Trap {
  readonly at: Position;
  /** What the configuration contains, in one line. */
  readonly seen: string;
  readonly why: string;
  /** The directive that fixes it, or what to change. */
  readonly fix: string;
}

/** A line of a snippet that protects something, and whether a location has it. */
export interface Requirement {
  /** The line, which is also the fix. */
  readonly line: string;
  readonly why: string;
  isMet(location: Location): boolean;
}

/** Compares the directives in force, not the text: a snippet may be edited. */
export function unmet(location: Location, needs: readonly Requirement[]): readonly Trap[] {
  return needs
    .filter((need) => !need.isMet(location))
    .map(({ line, why }) => ({
      at: location.at,
      seen: `${title(location)} lacks ${line}`,
      why,
      fix: line,
    }));
}

/** Off by nginx's default, so the line is only needed if another line turns it on. */
export function isOff(name: string): Requirement['isMet'] {
  return (location) => turnedOn(location, name) === undefined;
}

/** On by nginx's default. */
export function isSetOff(name: string): Requirement['isMet'] {
  return (location) => inForce(location, name)?.args[0] === 'off';
}

export function has(name: string, ...words: readonly string[]): Requirement['isMet'] {
  return (location) =>
    own(location, name).some(({ args }) => words.every((word) => args.includes(word)));
}

/** Header names are case-insensitive. */
export function sends(header: string, value: string): Requirement['isMet'] {
  return (location) =>
    effective(location, 'proxy_set_header').some(
      ({ args }) => args[0]?.toLowerCase() === header.toLowerCase() && args[1] === value,
    );
}
