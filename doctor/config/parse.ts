import { Directive, Unreadable } from './context.ts';

/** More than any site needs, and safe for recursive functions. */
const MAX_DEPTH = 64;

/**
 * White space, a comment or one token, as nginx reads them (`ngx_conf_read_token` in src/core/ngx_conf_file.c):
 * `#` begins a comment only at the start of a word, `${` does not open a block, and `}` inside a word is part
 * of it. nginx reads at most 4,096 bytes as one word.
 */
const TOKEN =
  /[ \t\r\n]+|#[^\n]*|([;{}])|(["'])((?:\\[\s\S]|(?!\2)[^\\]){0,9999})(\2?)|((?:\\[\s\S]?|\$\{|[^ \t\r\n;{\\]){1,9999})/y;

/** What can follow a closing quote. `)` starts a new word, as in `if ($a = "b")`. */
const AFTER_QUOTE = /^[ \t\r\n;{)]?$/;

/** The directives of one file. An `include` stays a directive. @throws Unreadable */
export function parse(text: string, file: string): readonly Directive[] {
  const root: Directive[] = [];
  const stack: Array<{ readonly block: Directive[]; readonly line: number }> = [];
  let words: string[] = [];
  // The lines of the token, and of the first word of its directive.
  let line = 1;
  let first = 1;
  const fail = (reason: string, at = line): never => {
    throw new Unreadable(reason, { file, line: at });
  };
  const add = (word: string) => {
    if (words.length === 0) first = line;
    words.push(unescaped(word));
  };

  for (let at = 0; at < text.length; ) {
    TOKEN.lastIndex = at;
    const [all = '', mark, quote, quoted = '', closing, word] = TOKEN.exec(text) ?? [];
    at += all.length;
    if (word !== undefined) add(word);
    if (quote !== undefined) {
      if (closing === '') fail('a quote that is not closed');
      add(quoted);
    }
    line += all.split('\n').length - 1;
    const next = text.charAt(at);
    if (quote !== undefined && !AFTER_QUOTE.test(next)) {
      fail(`an unexpected ${JSON.stringify(next)} after a quote`);
    }
    if (mark === undefined) continue;
    if (mark === '}') {
      if (words.length > 0) fail(`an unexpected "}" after ${words[0]}`);
      if (stack.pop() === undefined) fail('a "}" without a "{"');
      continue;
    }
    const [name, ...args] = words;
    if (name === undefined) return fail(`an unexpected "${mark}"`);
    words = [];
    const current = stack.at(-1)?.block ?? root;
    if (mark === ';') {
      current.push(new Directive(name, args, { file, line: first }));
      continue;
    }
    const block: Directive[] = [];
    current.push(new Directive(name, args, { file, line: first }, block));
    if (name.endsWith('_by_lua_block')) {
      const end = endOfLua(text, at) ?? fail(`${name} is not closed`, first);
      line += text.slice(at, end).split('\n').length - 1;
      at = end;
      continue;
    }
    stack.push({ block, line: first });
    if (stack.length > MAX_DEPTH) fail(`blocks nested more than ${MAX_DEPTH} deep`);
  }
  if (words.length > 0) fail(`${words[0]} ends without ";"`, first);
  const open = stack.at(-1);
  if (open !== undefined) fail('this block is not closed', open.line);
  return root;
}

/** A comment, string or long bracket of Lua, in which braces do not count, or a brace. */
const PARTS =
  /--\[(=*)\[[\s\S]*?(?:\]\1\]|$)|--[^\n]*|\[(=*)\[[\s\S]*?(?:\]\2\]|$)|"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*'|[{}]/g;

/** The position after the brace that closes a Lua block that begins at `start`. Undefined if none does. */
function endOfLua(text: string, start: number): number | undefined {
  let depth = 1;
  PARTS.lastIndex = start;
  for (let part = PARTS.exec(text); part !== null; part = PARTS.exec(text)) {
    if (part[0] === '{') depth += 1;
    if (part[0] === '}') depth -= 1;
    if (depth === 0) return PARTS.lastIndex;
  }
  return undefined;
}

const ESCAPED: Readonly<Record<string, string>> = { t: '\t', r: '\r', n: '\n' };

/** Every other backslash stays, such as the one in `\.`: it belongs to a regex. */
function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (all, char: string) =>
    '"\'\\'.includes(char) ? char : (ESCAPED[char] ?? all),
  );
}
