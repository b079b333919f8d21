import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_LINE_BYTES, parseLine } from '../../service/delivery/line.ts';

const ID = 'abcdefghijklmnopqrst_-';
const HEAD = '<190>Nov 26 12:00:00 nginx: ';
const parse = (rest: string, head = HEAD) => parseLine(`${head}${ID} ${rest}`);

test.each([
  ['200 5 5 -', { bytes: 5, size: 5, ranges: [[0, 5]] }],
  // Interrupted, and an empty file.
  ['200 3 5 -', { bytes: 3, size: 5, ranges: [[0, 3]] }],
  ['200 0 5 -', { bytes: 0, size: 5, ranges: [] }],
  ['200 0 0 -', { bytes: 0, size: 0, ranges: [] }],
  // These have no Content-Length, or several ranges.
  ['200 70 - -', { bytes: 70, ranges: [] }],
  ['206 300 280 -', { bytes: 300, ranges: [] }],
  ['206 3 3 bytes 2-4/5', { bytes: 3, size: 5, ranges: [[2, 5]] }],
  ['206 1 3 bytes 2-4/5', { bytes: 1, size: 5, ranges: [[2, 3]] }],
  // At most the values that a response can have.
  ['200 9 5 -', { bytes: 5, size: 5, ranges: [[0, 5]] }],
  ['206 9 3 bytes 2-4/5', { bytes: 3, size: 5, ranges: [[2, 5]] }],
  // Cut into slices of 10 bytes: the first slice, and the one that nginx was sending. Lines of slices have counted the
  // bytes between the two. After a complete response, nginx names only the first.
  ['200 25 25 - bytes=0-9 ', { bytes: 5, size: 25, ranges: [[0, 25]] }],
  ['200 7 25 - bytes=0-9 bytes=0-9', { bytes: 7, size: 25, ranges: [[0, 7]] }],
  ['200 14 25 - bytes=0-9 bytes=10-19', { bytes: 4, size: 25, ranges: [[0, 14]] }],
  ['206 20 20 bytes 5-24/25 bytes=0-9 ', { bytes: 0, size: 25, ranges: [[5, 25]] }],
  ['206 3 3 bytes 12-14/25 bytes=10-19 ', { bytes: 3, size: 25, ranges: [[12, 15]] }],
  ['200 0 0 - bytes=0-9 ', { bytes: 0, size: 0, ranges: [] }],
  // nginx may have skipped slices.
  ['206 2 2 bytes 23-24/25  ', { bytes: 2, size: 25, ranges: [[23, 25]] }],
  ['206 10 10 bytes 10-19/25 slice bytes=0-9 bytes=10-19', { requests: 0, bytes: 10, ranges: [] }],
  ['401 90 90 - slice bytes=10-19 bytes=30-39', { requests: 0, bytes: 10, ranges: [] }],
  ['206 10 10 bytes 0-9/25 slice bytes=0-9 bytes=0-9', { requests: 0, bytes: 0, ranges: [] }],
])('delivery: the line %s', (rest, expected) => {
  expect(parse(rest)).toEqual({ id: ID, requests: 1, ...expected });
});

test('delivery: the host name in the header may be missing, and may have colons', () => {
  for (const head of ['<190>Nov  6 12:00:00 files.example nginx: ', '<14>x ::1 tag: ']) {
    expect(parse('200 5 5 -', head)).toMatchObject({ bytes: 5 });
  }
});

test.each([
  ...['', '200', '200 5', '200 5 5', '200 5 5 - ', ' 200 5 5 -', '200  5 5 -', '200 5 5 -\n'],
  ...['204 5 5 -', '404 5 5 -', '200 -1 5 -', '200 5.0 5 -', '200 1e9 5 -', '200 0x5 5 -'],
  ...[`200 ${'9'.repeat(16)} 5 -`, `200 5 ${'9'.repeat(16)} -`, '200 ٣ 5 -'],
  ...['206 3 3 bytes 4-2/5', '206 3 3 bytes 2-5/5', '206 3 3 bytes 2-4/*', '206 3 3 bytes */5'],
  ...['200 5 5 bytes 0-4/5', '206 3 3 bytes 2-4/5,', '206 3 3 bytes=2-4/5'],
  ...['200 5 5 - bytes=0-9', '200 5 5 - slice  bytes=0-9', '200 5 5 -: 200 5 5 -'],
])('delivery: the broken line "%s" is rejected', (rest) => {
  expect(parse(rest)).toBeUndefined();
});

test('delivery: a line without a header is rejected, and so is a token instead of its ID', () => {
  expect(parse('200 5 5 -', '')).toBeUndefined();
  expect(parseLine(`${HEAD}ps_${'a'.repeat(32)} 200 5 5 -`)).toBeUndefined();
});

test('delivery: any text is parsed quickly, or rejected', () => {
  const piece = fc.constantFrom(ID, ' ', '200', '206', '5', '-', 'bytes ', '2-4/5', ': ', '\n');
  const text = fc.array(fc.oneof(piece, fc.string()), { maxLength: 40 });
  fc.assert(
    fc.property(text, (parts) => {
      const parsed = parseLine(parts.join('').slice(0, MAX_LINE_BYTES));
      if (parsed === undefined) return;
      const {
        bytes,
        size = bytes,
        ranges: [[from, to] = [0, 0]],
      } = parsed;
      expect(from <= to && to <= size && to - from <= bytes).toBe(true);
    }),
  );
});
