import { type Directive, Unreadable } from './directive.ts';

/** More than any site needs, and safe for recursive functions. */
const MAX_DEPTH = 64;

interface Open {
  readonly block: Directive[];
  readonly line: number;
}

/**
 * The directives of one file. An `include` stays a directive.
 *
 * @throws Unreadable
 */
export function parse(text: string, file: string): readonly Directive[] {
  const tokens = new Lexer(text, file);
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
    if (containsLua(name)) {
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

/** Whether the braces contain Lua: `content_by_lua_block { … }`. */
function containsLua(name: string): boolean {
  return name.endsWith('_by_lua_block');
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

/** A word, or one of the characters that end a directive, open a block or close it. */
interface Token {
  readonly kind: 'word' | ';' | '{' | '}';
  readonly text: string;
  readonly line: number;
  /** The position after the token. */
  readonly end: number;
}

const SPACE = /[ \t\r\n]/;
const ENDS_WORD = /[ \t\r\n;{]/;

/** What can follow a closing quote. `)` starts a new word, as in `if ($a = "b")`. */
const AFTER_QUOTE = /[ \t\r\n;{)]/;

/**
 * Reads words as nginx does (`ngx_conf_read_token` in src/core/ngx_conf_file.c): `#` begins a comment
 * only at the start of a word, `${` does not open a block, and `}` inside a word is part of it.
 */
class Lexer {
  #at = 0;
  #line = 1;
  readonly #text: string;
  readonly #file: string;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  /** The next token; undefined at the end. */
  next(): Token | undefined {
    this.#skipSpace();
    const line = this.#line;
    const kind = this.#text[this.#at];
    if (kind === undefined) return undefined;
    if (kind === ';' || kind === '{' || kind === '}') {
      this.#at += 1;
      return { kind, text: kind, line, end: this.#at };
    }
    const text = kind === '"' || kind === "'" ? this.#quoted(kind) : this.#word();
    return { kind: 'word', text, line, end: this.#at };
  }

  /** Continues at a later position, after text that is not nginx configuration. */
  skipTo(at: number): void {
    while (this.#at < at) this.#step();
  }

  #skipSpace(): void {
    for (;;) {
      const char = this.#text[this.#at];
      if (char === '#') this.#skipComment();
      else if (char !== undefined && SPACE.test(char)) this.#step();
      else return;
    }
  }

  #skipComment(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  #quoted(quote: string): string {
    const line = this.#line;
    const start = this.#at + 1;
    this.#step();
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) this.#fail('a quote that is not closed', line);
      if (char === quote) break;
      if (char === '\\') this.#step();
      this.#step();
    }
    const text = unescaped(this.#text.slice(start, this.#at));
    this.#step();
    const next = this.#text[this.#at];
    if (next !== undefined && !AFTER_QUOTE.test(next)) {
      this.#fail(`an unexpected ${JSON.stringify(next)} after a quote`, this.#line);
    }
    return text;
  }

  #word(): string {
    const start = this.#at;
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      const isVariable = char === '{' && this.#at > start && this.#text[this.#at - 1] === '$';
      if (ENDS_WORD.test(char) && !isVariable) break;
      if (char === '\\') this.#step();
      this.#step();
    }
    return unescaped(this.#text.slice(start, this.#at));
  }

  #step(): void {
    if (this.#at < this.#text.length && this.#text[this.#at] === '\n') this.#line += 1;
    this.#at += 1;
  }

  #fail(reason: string, line: number): never {
    throw new Unreadable(reason, { file: this.#file, line });
  }
}

const ESCAPED: Readonly<Record<string, string>> = { t: '\t', r: '\r', n: '\n' };

/** Every other backslash stays, such as the one in `\.`: it belongs to a regex. */
function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (all, char: string) =>
    '"\'\\'.includes(char) ? char : (ESCAPED[char] ?? all),
  );
}
