import { type Directive, Unreadable } from './directive.ts';
import { Tokens } from './tokens.ts';

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

/** Whether a directive of the lua module contains Lua in its braces: `content_by_lua_block { … }`. */
export function holdsLua(name: string): boolean {
  return name.endsWith('_by_lua_block');
}

/** A comment, string or long bracket of Lua, whose braces do not count, or a brace that counts. */
const PARTS =
  /--\[(=*)\[[\s\S]*?(?:\]\1\]|$)|--[^\n]*|\[(=*)\[[\s\S]*?(?:\]\2\]|$)|"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*'|[{}]/g;

/** Behind the brace that closes a block of Lua, which begins at `start`; undefined where none does. */
export function endOfLua(text: string, start: number): number | undefined {
  let depth = 1;
  PARTS.lastIndex = start;
  for (let part = PARTS.exec(text); part !== null; part = PARTS.exec(text)) {
    if (part[0] === '{') depth += 1;
    if (part[0] === '}') depth -= 1;
    if (depth === 0) return PARTS.lastIndex;
  }
  return undefined;
}
