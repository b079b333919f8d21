import { UsageError } from '../../common/errors.ts';
import { escapeControls } from '../../common/terminal.ts';

/** A file, with its name in nginx, and a line number from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
}

/** One directive, with its words as nginx reads them: without quotes and escapes. */
export interface Directive extends Position {
  readonly name: string;
  readonly args: readonly string[];
  /** The directives in its braces, with includes expanded; absent if it has no braces. */
  readonly block?: readonly Directive[];
}

export function named(block: readonly Directive[], ...names: string[]): readonly Directive[] {
  return block.filter(({ name }) => names.includes(name));
}

/** The words of a directive, as one line. */
export function wordsOf({ name, args }: Directive): string {
  return [name, ...args].join(' ');
}

/** The directive as text that nginx reads as the same words. */
export function textOf({ name, args }: Directive): string {
  return `${[name, ...args.map(quoted)].join(' ')};`;
}

export function quoted(word: string): string {
  return /^[^\s;{}"'\\#]+$/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`;
}

/** The text is not a configuration. The message has the file, the line and the reason. */
export class Unreadable extends UsageError {
  constructor(reason: string, { file, line }: Position) {
    super(escapeControls(`${file}:${line}: ${reason}`));
  }
}

export function returns(block: readonly Directive[]): boolean {
  return named(block, 'return').length > 0;
}

const HANDLED_BY =
  /^((proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass|stub_status|empty_gif|content_by_lua\w*|js_content|perl)$/;

/**
 * Whether the response to each request of a block is something other than a file.
 *
 * `break` skips all later directives, including a `return`, and nginx then serves the file.
 */
export function isHandled(block: readonly Directive[]): boolean {
  const breaks = ({ name, args, block: inner = [] }: Directive): boolean =>
    name === 'break' ||
    (name === 'rewrite' && args[2] === 'break') ||
    (name === 'if' && inner.some(breaks));
  // Such as the location of the script of a list.
  const leaves = ({ name, args }: Directive): boolean =>
    name === 'return' || (name === 'rewrite' && args[0] === '^' && args[2] === 'last');
  const end = block.findIndex(breaks);
  return block.some((one, at) => (leaves(one) ? end < 0 || at < end : HANDLED_BY.test(one.name)));
}
