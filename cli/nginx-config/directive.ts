/** A file, as nginx names it, and a line of it, from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** One directive of a configuration, its words as nginx reads them: without quotes and escapes. */
export interface Directive extends Place {
  readonly name: string;
  readonly args: readonly string[];
  /** The directives in its braces, with includes expanded; absent if it has no braces. */
  readonly block?: readonly Directive[];
}

export function named(block: readonly Directive[], name: string): readonly Directive[] {
  return block.filter((directive) => directive.name === name);
}
