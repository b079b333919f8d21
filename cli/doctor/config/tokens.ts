import { Unreadable } from './directive.ts';

/** A word, or the character that ends a directive, opens a block or closes one. */
export interface Token {
  readonly kind: 'word' | ';' | '{' | '}';
  readonly text: string;
  readonly line: number;
  /** Where the text goes on behind it. */
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
export class Tokens {
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

  /** Goes on at a place further on: behind what is none of nginx's. */
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

/** Of all others, `\.` for one, the backslash stays: they are a regex's. */
function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (all, char: string) =>
    '"\'\\'.includes(char) ? char : (ESCAPED[char] ?? all),
  );
}
