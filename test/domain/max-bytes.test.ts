import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import type { Store } from '../../service/token/store.ts';
import { sent } from '../store/contract-delivered.ts';
import { createDecider } from './decider.ts';

/** Also with a URL that the token does not cover, and to resume. */
test.each([
  [{ path: '/download/a', max_bytes: 100 }],
  [{ path: '/download/a', max_bytes: 100, max_uses: 2 }],
])('max_bytes: %j is denied after its bytes, as an unknown token is', async (request) => {
  const { issue, authorize, store } = createDecider();
  const { id, url } = await issue(request);
  expect(await authorize(url)).toMatchObject({ allow: true });
  await store.addDelivered([[id, sent([0, 99])]]);
  expect(await authorize(url)).toMatchObject({ allow: true });
  await store.addDelivered([[id, sent([0, 1])]]);
  for (const other of [url, url.replace('/download/a', '/download/b')]) {
    for (const method of ['GET', 'HEAD']) {
      expect(await authorize(other, { method })).toMatchObject({
        ...{ allow: false, code: 'invalid_token', refused: true },
        rejection: { reason: 'its max_bytes were sent' },
      });
    }
  }
});

test('max_bytes: a denied requester takes no use', async () => {
  const memory = createMemoryStore({ now: () => 1_800_000_000_000 });
  const store: Store = { ...memory, redeem: () => expect.unreachable('a use was taken') };
  const { issue, authorize } = createDecider({ store });
  const { id, url } = await issue({ path: '/download/a', max_bytes: 1, max_uses: 2 });
  await store.addDelivered([[id, sent([0, 1])]]);
  expect(await authorize(url)).toMatchObject({ allow: false });
});

test('max_bytes: without max_bytes no number of bytes ends a token', async () => {
  const { issue, authorize, store } = createDecider();
  const { id, url } = await issue({ path: '/download/a' });
  await store.addDelivered([[id, sent([0, 100], { bytes: Number.MAX_SAFE_INTEGER })]]);
  expect(await authorize(url)).toMatchObject({ allow: true });
});

test.each([0, -1, 1.5, 10_000_000_000_001])('max_bytes: %d is not valid', async (bytes) => {
  const { grantRequest } = await import('../../service/api/schema.ts');
  const parsed = grantRequest.safeParse({ path: '/download/a', max_bytes: bytes });
  expect(parsed.success).toBe(false);
});
