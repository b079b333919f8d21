import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson, splitJson } from '../../service/api/json.ts';
import { Refused } from '../../service/domain/errors.ts';

/** What comes of a text that is split, as one value again. */
function joined(text: string): unknown {
  const { isArray, values } = splitJson(text, 1000);
  const parsed = values.map(parseJson);
  return isArray ? parsed : parsed[0];
}

/** The same, or the error's name. */
function outcome(read: (text: string) => unknown, text: string): unknown {
  try {
    return { value: read(text) };
  } catch (error) {
    return error instanceof Refused || error instanceof SyntaxError ? 'refused' : error;
  }
}

const jsonText = fc.json({ maxDepth: 4 }).filter((text) => text.trim() !== '[]');

test('JSON: splitting an array gives the same values as JSON.parse', () => {
  const broken = fc
    .tuple(jsonText, fc.nat(), fc.constantFrom(...'[]{}",:\\ \n\u00a01a'), fc.nat({ max: 2 }))
    .map(([text, at, put, without]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + without);
    });
  fc.assert(
    fc.property(fc.oneof(jsonText, broken), (text) => {
      const expected = outcome(JSON.parse, text);
      // An array of nothing is the one valid text that is refused.
      if (/^[ \t\n\r]*\[[ \t\n\r]*\][ \t\n\r]*$/.test(text)) return;
      expect(outcome(joined, text)).toEqual(expected);
    }),
    { numRuns: 3000 },
  );
});

test.each([
  '[1}',
  '[{]}',
  '[{"a":[}]',
  '[1] 2',
  '[1],[2]',
  '[1,]',
  '[,1]',
  '[1',
  '["\\"]',
  '[1]\u00a0',
  '\ufeff[1]',
  ']',
  '',
])('JSON: %j is rejected', (text) => {
  expect(() => joined(text)).toThrow(Refused);
  expect(() => JSON.parse(text)).toThrow(SyntaxError);
});

test('JSON: an array is split into at most 1000 elements', () => {
  const array = (length: number) => JSON.stringify(Array.from({ length }, () => ({})));
  expect(splitJson(array(1000), 1000).values).toHaveLength(1000);
  expect(() => splitJson(array(1001), 1000)).toThrow(/1 to 1000/);
});

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const listOf = (length: number) => JSON.stringify(Array.from({ length }, () => 1));

// Whole values: a text that ends too early is rejected without these bounds, too.
test.each([
  ['is nested more than 8 deep', nested(7), nested(8)],
  ['has more than 128 fields and list entries', listOf(128), listOf(129)],
])('JSON: a request that %s is rejected', (detail, most, more) => {
  for (const [put, pointer] of [
    [(value: string) => `{"ip":${value}}`, ''],
    [(value: string) => `[{},{"ip":${value}},{}]`, '/1'],
  ] as const) {
    expect(joined(put(most))).toEqual(JSON.parse(put(most)));
    const errors = [{ pointer, detail }];
    expect(() => joined(put(more))).toThrow(expect.objectContaining({ errors }));
  }
});
