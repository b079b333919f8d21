import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from '../../service/api/http.ts';
import { splitArray } from '../../service/api/json.ts';
import { Refused } from '../../service/token/refused.ts';

const split = (text: string, max: number) => [...splitArray(Buffer.from(text), max)];

/** The elements of a text after splitting, as one value. */
const joined = (text: string): unknown => split(text, 1000).map((element) => parseJson(element));

/** The value; undefined for a text that is rejected. */
function outcome(read: (text: string) => unknown, text: string): { readonly value?: unknown } {
  try {
    return { value: read(text) };
  } catch (error) {
    if (error instanceof Refused || error instanceof SyntaxError) return {};
    throw error;
  }
}

const jsonText = fc
  .array(fc.jsonValue({ maxDepth: 3 }), { minLength: 1, maxLength: 5 })
  .map((values) => JSON.stringify(values));

test('JSON: splitting an array gives the same values as JSON.parse', () => {
  const broken = fc
    .tuple(jsonText, fc.nat(), fc.constantFrom(...'[]{}",:\\ \n\u00a01a'), fc.nat({ max: 2 }))
    .map(([text, at, put, without]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + without);
    });
  fc.assert(
    fc.property(fc.oneof(jsonText, broken), (text) => {
      const parsed = outcome(JSON.parse, text);
      const [first] = Array.isArray(parsed.value) ? parsed.value : [];
      // Of all valid texts, only arrays with an element are accepted.
      const expected = first === undefined ? {} : parsed;
      expect(outcome(joined, text)).toEqual(expected);
    }),
    { numRuns: 3000 },
  );
});

test.each([
  ...['[1}', '[{]}', '[{"a":[}]', '[1] 2', '[1],[2]', '[1,]', '[,1]', '[1', '["\\"]', '[1]\u00a0'],
  ...['\ufeff[1]', ']', '', '{}', '1', '"[1]"', '[]'],
])('JSON: %j is rejected', (text) => {
  expect(() => joined(text)).toThrow(Refused);
});

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const listOf = (length: number) => JSON.stringify(Array.from({ length }, () => 1));

// Whole values: a text that ends too early is rejected without these bounds, too.
test.each([
  ['is nested more than 8 deep', nested(7), nested(8)],
  ['has more than 128 fields and list entries', listOf(128), listOf(129)],
])('JSON: a request that %s is rejected', (detail, most, more) => {
  const put = (value: string) => `[{},{"ip":${value}},{}]`;
  expect(joined(put(most))).toEqual(JSON.parse(put(most)));
  const errors = [{ pointer: '/1', detail }];
  expect(() => joined(put(more))).toThrow(expect.objectContaining({ errors }));
});
