import fc from 'fast-check';

/** A directive without its position. */
export interface Written {
  readonly name: string;
  readonly args: readonly string[];
  readonly block?: readonly Written[];
}

/** A spelling of a word in a configuration. */
export type Spelling = (word: string) => string;

const escaped = (word: string, chars: RegExp) => word.replace(chars, '\\$&');
const quoted = (word: string) => `"${escaped(word, /["\\]/g)}"`;
const singly = (word: string) => `'${escaped(word, /['\\]/g)}'`;
/** Without quotes, if they are not needed. */
const bare = (word: string) => (/^[\w/.^~@=$*+?()|:,-]+$/.test(word) ? word : quoted(word));

const word = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom(
    'a',
    '~*',
    '\\.(jpg|mp4)$',
    `\${a}b`,
    'if',
    '}',
    '{',
    ';',
    '#',
    '"',
    "'",
    '\\',
    '\\\\n',
  ),
);
const name = fc.stringMatching(/^[a-z][a-z_]{0,10}$/).filter((text) => text !== 'include');
const { tree } = fc.letrec<{ tree: readonly Written[] }>((tie) => ({
  tree: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ name, args: fc.array(word, { maxLength: 4 }) }) },
      {
        weight: 1,
        arbitrary: fc.record({ name, args: fc.array(word, { maxLength: 3 }), block: tie('tree') }),
      },
    ),
    { depthIdentifier: 'tree', maxLength: 5 },
  ),
}));

/** Any configuration, and a way to spell it. */
export const configuration = fc.record({
  tree,
  spelling: fc.constantFrom<Spelling>(quoted, singly, bare),
  space: fc.constantFrom(' ', '\n', '\t', '\r\n', ' # a } comment; "\n', '  '),
});

/** Writes a configuration as nginx would read it. */
export function write(block: readonly Written[], spelling: Spelling, space: string): string {
  return block
    .map(({ name: first, args, block: inner }) => {
      const words = [first, ...args.map(spelling)].join(space);
      if (inner === undefined) return `${words}${space};`;
      return `${words}${space}{${space}${write(inner, spelling, space)}${space}}`;
    })
    .join(space);
}
