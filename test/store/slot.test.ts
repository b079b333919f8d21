import fc from 'fast-check';
import { expect, test } from 'vitest';
import { slotOf } from '../../service/store/connection/library.ts';
import { createKeys } from '../../service/store/redis/shared.ts';

/** The algorithm of the specification. */
function specified(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open);
  let crc = 0;
  for (const byte of Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    crc &= 0xffff;
  }
  return crc % 16_384;
}

test('the slots of all keys of a grant are those of the specification', () => {
  const [prefix, id] = [/^[A-Za-z0-9:._/-]{1,64}$/, /^[A-Za-z0-9._-]{1,64}$/].map((pattern) =>
    fc.stringMatching(pattern),
  );
  const braces = fc.string({ unit: fc.constantFrom('{', '}', '{}', 'a', 'é', '/', '😀') });
  fc.assert(
    fc.property(
      prefix as fc.Arbitrary<string>,
      fc.oneof(
        id as fc.Arbitrary<string>,
        braces.map((sub) => `sso/${encodeURIComponent(sub)}`),
      ),
      braces,
      (before, client, text) => {
        const keys = createKeys(before);
        const indexes = keys.indexes({ client, covers: text, subject: text });
        for (const key of [keys.grant(client), keys.uses(client), ...indexes]) {
          expect(slotOf(key)).toBe(specified(key));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
