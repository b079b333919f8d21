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

/** The configuration cannot be read as one: what is wrong, and where. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';

  constructor(reason: string, { file, line }: Place) {
    super(`${file}:${line}: ${reason}`);
  }
}

const HANDLED_BY =
  /^((proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass|stub_status|empty_gif|content_by_lua\w*|js_content|perl)$/;

/**
 * Whether something else than a file is the answer to each request of a block.
 *
 * `break` skips all later directives, including a `return`, and nginx then serves the file.
 */
export function isHandled(block: readonly Directive[]): boolean {
  const breaks = ({ name, args, block: inner = [] }: Directive): boolean =>
    name === 'break' ||
    (name === 'rewrite' && args[2] === 'break') ||
    (name === 'if' && inner.some(breaks));
  const end = block.findIndex(breaks);
  return block.some(({ name }, at) =>
    name === 'return' ? end < 0 || at < end : HANDLED_BY.test(name),
  );
}
