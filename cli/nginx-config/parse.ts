import type { Directive } from './directive.ts';
import { endOfLua, holdsLua } from './lua.ts';
import { Tokens } from './tokens.ts';
import { Unreadable } from './unreadable.ts';

/** More than any site needs, and few enough for recursive functions. */
const MAX_DEPTH = 64;

interface Open {
  readonly block: Directive[];
  readonly line: number;
}

/**
 * The directives of one file, `include` being one of them.
 *
 * @throws Unreadable
 */
export function parse(text: string, file: string): readonly Directive[] {
  const tokens = new Tokens(text, file);
  const root: Directive[] = [];
  const stack: Open[] = [];
  let words: string[] = [];
  let line = 1;
  const fail = (reason: string, at: number): never => {
    throw new Unreadable(reason, { file, line: at });
  };

  for (let token = tokens.next(); token !== undefined; token = tokens.next()) {
    const current = stack.at(-1)?.block ?? root;
    if (token.kind === 'word') {
      if (words.length === 0) line = token.line;
      words.push(token.text);
      continue;
    }
    if (token.kind === '}') {
      if (words.length > 0) fail(`an unexpected "}" after ${words[0]}`, token.line);
      if (stack.pop() === undefined) fail('a "}" too many', token.line);
      continue;
    }
    const [name, ...args] = words;
    if (name === undefined) return fail(`an unexpected "${token.kind}"`, token.line);
    words = [];
    if (token.kind === ';') {
      current.push({ name, args, file, line });
      continue;
    }
    const block: Directive[] = [];
    current.push({ name, args, file, line, block });
    if (holdsLua(name)) {
      tokens.skipTo(endOfLua(text, token.end) ?? fail(`${name} is not closed`, line));
      continue;
    }
    stack.push({ block, line });
    if (stack.length > MAX_DEPTH) fail(`blocks nested more than ${MAX_DEPTH} deep`, token.line);
  }
  if (words.length > 0) fail(`${words[0]} ends without ";"`, line);
  const open = stack.at(-1);
  if (open !== undefined) fail('this block is not closed', open.line);
  return root;
}
