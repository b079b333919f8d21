import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Directive, Unreadable } from '../../../doctor/config/directive.ts';
import { parse } from '../../../doctor/config/parse.ts';
import { configuration, type Written, write } from './write.ts';

function plain(block: readonly Directive[]): readonly Written[] {
  return block.map(({ name, args, block: inner }) => ({
    name,
    args,
    ...(inner && { block: plain(inner) }),
  }));
}

test('parse: reads any configuration that was written from directives', () => {
  fc.assert(
    fc.property(configuration, ({ tree, spelling, space }) => {
      expect(plain(parse(write(tree, spelling, space), 'a.conf'))).toEqual(tree);
    }),
    { numRuns: 500 },
  );
});

test('parse: each directive has the line of its name', () => {
  fc.assert(
    fc.property(configuration, ({ tree, spelling, space }) => {
      const text = write(tree, spelling, space);
      const lines = text.split('\n');
      const check = (block: readonly Directive[]): void => {
        for (const { name, line, block: inner } of block) {
          expect(lines[line - 1]).toContain(name);
          check(inner ?? []);
        }
      };
      check(parse(text, 'a.conf'));
    }),
  );
});

const junk = fc.array(
  fc.constantFrom(
    'a',
    ' ',
    '{',
    '}',
    ';',
    '"',
    "'",
    '\\',
    '#',
    '\n',
    '$',
    '${',
    'x_by_lua_block ',
    '[[',
    '--',
  ),
  { maxLength: 60 },
);

test('parse: any other text is an error with a line', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        junk.map((parts) => parts.join('')),
        fc.string(),
      ),
      (text) => {
        try {
          parse(text, 'a.conf');
        } catch (error) {
          expect(error).toBeInstanceOf(Unreadable);
          expect((error as Error).message).toMatch(/^a\.conf:\d+: /);
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test.each([
  '{',
  'a{',
  'a b;',
  '"a" ',
  '\\',
  '# ',
  '$',
  'x_by_lua_block {--[[',
  "x_by_lua_block {'",
])('parse: a megabyte of %s takes less than 5 s of CPU time', (text) => {
  // CPU time: a busy machine does not change it.
  const before = process.cpuUsage();
  try {
    parse(text.repeat(1_000_000 / text.length), 'a.conf');
  } catch (error) {
    expect(error).toBeInstanceOf(Unreadable);
  }
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1e6).toBeLessThan(5);
});
