import { expect, test } from 'vitest';
import { slotOf } from '../../service/store/redis/key-names.ts';

// From the specification of Redis Cluster, and CLUSTER KEYSLOT.
test.each([
  ['123456789', 0x31c3],
  ['foo{bar}{zap}', slotOf('bar')],
  ['{user1000}.following', slotOf('{user1000}.followers')],
  ['foo{}{bar}', slotOf('foo{}{bar}')],
  ['foo{{bar}}zap', slotOf('{bar')],
  ['', 0],
])('the slot of %s', (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});

test('empty braces are not a hash tag', () => {
  expect(slotOf('foo{}{bar}')).not.toBe(slotOf('bar'));
});
