/** A directive as nginx reads it, with the directives of its block. */
export interface Directive {
  readonly words: readonly string[];
  readonly block?: readonly Directive[];
}

/** The result of a backslash and one of these characters. Before any other, a backslash is ordinary. */
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '\\': '\\',
  t: '\t',
  r: '\r',
  n: '\n',
};

/**
 * A configuration as nginx reads it: a reader of our own, by ngx_conf_read_token (ngx_conf_file.c), that
 * shares nothing with what writes configurations.
 */
export function parseNginx(text: string): readonly Directive[] {
  let at = 0;
  function readBlock(inner: boolean): Directive[] {
    const found: Directive[] = [];
    let words: string[] = [];
    for (;;) {
      while (/[ \t\r\n]/.test(text[at] ?? '')) at += 1;
      const sign = text[at];
      if (sign === undefined) {
        if (inner || words.length > 0) throw new Error('the text ends in a block or a directive');
        return found;
      }
      if (sign === '#') {
        while (at < text.length && text[at] !== '\n') at += 1;
      } else if (sign === '}') {
        at += 1;
        if (!inner || words.length > 0) throw new Error(`a } too many after ${words.join(' ')}`);
        return found;
      } else if (sign === ';' || sign === '{') {
        at += 1;
        if (words.length === 0) throw new Error(`nothing before ${sign}`);
        found.push({ words, ...(sign === '{' && { block: readBlock(true) }) });
        words = [];
      } else {
        words.push(sign === '"' || sign === "'" ? readQuoted(sign) : readBare());
      }
    }
  }
  function readQuoted(quote: string): string {
    at += 1;
    const word = readUntil((sign) => sign === quote);
    at += 1;
    if (!/[\s;{)]/.test(text[at] ?? '')) throw new Error(`${text[at]} right after a quote`);
    return word;
  }
  function readBare(): string {
    return readUntil((sign) => /[ \t\r\n;]/.test(sign) || (sign === '{' && text[at - 1] !== '$'));
  }
  function readUntil(isEnd: (sign: string) => boolean): string {
    let word = '';
    for (;;) {
      const sign = text[at];
      if (sign === undefined) throw new Error('the text ends in a word');
      if (isEnd(sign)) return word;
      const escaped = sign === '\\' ? ESCAPES[text[at + 1] ?? ''] : undefined;
      if (sign === '\\') word += escaped ?? sign + (text[at + 1] ?? '');
      else word += sign;
      at += sign === '\\' ? 2 : 1;
    }
  }
  return readBlock(false);
}

/** Every directive of that name, in all blocks. */
export function directives(tree: readonly Directive[], name: string): Directive[] {
  return tree.flatMap((one) => [
    ...(one.words[0] === name ? [one] : []),
    ...directives(one.block ?? [], name),
  ]);
}
