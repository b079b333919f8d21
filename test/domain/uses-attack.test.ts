import { expect, test } from 'vitest';
import { isWithin } from '../../service/domain/address.ts';
import { digest } from '../../service/domain/digest.ts';
import { createDecider } from './decider.ts';

const path = '/download/a';

// RFC 6052, and RFC 7755 for a site that has IPv6 alone: all of IPv4 comes from these prefixes, with
// the address in the last 32 bits. Counted by the /64 they are one requester, and everybody gets in.
test.each([
  ['64:ff9b::c000:201', '64:ff9b::c633:6401'],
  ['::ffff:0:c000:201', '::ffff:0:c633:6401'],
])('IPv4 addresses behind a translator are not one requester: %s, %s', async (one, other) => {
  const { issue, authorize } = createDecider();
  const { url } = await issue({ path, max_uses: 1 });
  expect(await authorize(url, { address: one })).toMatchObject({ redeemed: 'new' });
  expect(await authorize(url, { address: one })).toMatchObject({ redeemed: 'known' });
  expect(await authorize(url, { address: other })).toMatchObject({ code: 'invalid_token' });
});

// docs/http.md: "unknown, expired, revoked or used up: no telling which".
test.each([
  ['another method', { method: 'POST' }, ''],
  ['another path', {}, 'x'],
  ['a prefetch', { prefetch: true }, ''],
  ['a service worker', { serviceWorker: true }, ''],
])(
  'a token that is used up, or that has ended for all but its requesters, is told by nothing from an unknown one: %s',
  async (_, more, suffix) => {
    const { issue, authorize, clock } = createDecider();
    const { token } = await issue({ path, max_uses: 1 });
    await authorize(`${path}?token=${token}`);
    const stranger = { address: '198.51.100.1', ...more };
    const ask = (secret: string) => authorize(`${path}${suffix}?token=${secret}`, stranger);
    const unknown = `ps_${'x'.repeat(32)}`;
    expect(await ask(unknown)).toMatchObject({ code: 'invalid_token' });
    expect.soft(await ask(token)).toMatchObject({ code: 'invalid_token' });
    clock.now += 130_000;
    expect.soft(await ask(token)).toMatchObject({ code: 'invalid_token' });
  },
);

// By a table of a thousand such requests a second, none of which needs to be let in.
test.each([
  ['2001:dead:1:2:3:4:5:6', (i: number) => `2001:db8:${i}:1:2:3:4:5`],
  ['198.51.100.1', (i: number) => `192.0.${i}.0/24`],
])(
  'the most addresses that a token may have cost a request of %s next to nothing',
  (address, range) => {
    const ranges = Array.from({ length: 64 }, (_, i) => range(i));
    const perCall = (what: () => unknown) => {
      const started = performance.now();
      for (let i = 0; i < 1000; i += 1) what();
      return performance.now() - started;
    };
    const hash = () => digest('a secret of some length, as a token is');
    const compare = () => isWithin(address, ranges);
    perCall(hash);
    perCall(compare);
    // A decision costs about eight hashes in all.
    expect(perCall(compare) / perCall(hash)).toBeLessThan(16);
  },
);

// The browser would send the token to all that lies under a folder above, which other applications
// may serve and log. Without the cookie the player falls back to the token in the path.
test.each<[prefix: string, raw: string | undefined, why: string]>([
  ['/download/a;b/', '/download/a;b/x', 'a semicolon, as a browser spells it'],
  [`/download/${'字'.repeat(60)}/${'字'.repeat(60)}/`, undefined, 'a path over 1024 bytes'],
])('the token’s cookie is for no folder that it does not cover: %s', async (prefix, raw, _) => {
  const { issue, authorize } = createDecider();
  const { token } = await issue({ prefix, cookie: true });
  const decision = await authorize(`${raw ?? `${encodeURI(prefix)}x`}?token=${token}`);
  expect(decision).toMatchObject({ allow: true });
  const wide = decision.allow ? decision.tokenCookie?.path : undefined;
  expect(wide === undefined || decodeURI(wide) === prefix, wide).toBe(true);
});
