import { expect, test } from 'vitest';
import { client, createDecider, issued, JWT } from '../support/decider.ts';
import { mount } from '../support/postern.ts';
import { grantAt, newId } from '../support/store/grants.ts';

/** Seconds for which nginx may reuse the decision, if this many milliseconds are left. */
async function reuseFor(decisionTtl: number, left: number): Promise<number> {
  const request = { path: '/download/a', expires_in: 60 };
  const { authorize, clock, url } = await issued(request, { decisionTtl });
  clock.now += 60_000 - left;
  const decision = await authorize(url);
  return decision.allow ? decision.reuseFor : Number.NaN;
}

test.each([
  [0, 60_000, 0],
  [2, 60_000, 2],
  [2, 2_999, 1],
  [2, 2_000, 1],
  [2, 1_999, 0],
  [2, 1, 0],
  [600, 60_000, 59],
])('decision cache: with a TTL of %d s and %d ms left it is %d s', async (ttl, left, expected) => {
  expect(await reuseFor(ttl, left)).toBe(expected);
});

test.each([{ max_bytes: 10 }, { ip: ['192.0.2.1'] }, { max_uses: 1 }])(
  'decision cache: none is reused for %j',
  async (more) => {
    const { authorize, url } = await issued({ path: '/download/a', ...more }, { decisionTtl: 600 });
    for (const method of ['HEAD', 'GET', 'GET', 'HEAD']) {
      expect(await authorize(url, { method })).toMatchObject({ allow: true, reuseFor: 0 });
    }
  },
);

test('decision cache: a response that sets a cookie is not reused', async () => {
  const folder = { prefix: '/download/sub/', cookie: true };
  const { authorize, url, token } = await issued(folder, { decisionTtl: 2 });
  expect(await authorize(`${url}a`)).toMatchObject({ tokenCookie: {}, reuseFor: 0 });
  expect(await authorize('/download/sub/a', { cookie: token })).toMatchObject({ reuseFor: 2 });
});

// No store says when such a token ends, and the clock of this instance may be late by the leeway.
test.each([
  ['never', 20, 60_000, 20],
  ['never', 20, 10_000, 4],
  ['never', 20, 6_999, 0],
  ['never', 0, 60_000, 0],
  ['optional', 20, 60_000, 20],
  ['optional', 20, 10_000, 4],
] as const)(
  'decision cache: a JWT (recorded: %s), TTL %d s, %d ms left: %d s',
  async (recorded, decisionTtl, left, expected) => {
    const grant = () => grantAt(clock.now, { expiresAt: clock.now + left });
    const verify = async () => ({ id: newId(), recorded, grant: grant() });
    const { authorize, clock } = createDecider({ decisionTtl, verify });
    expect(await authorize(`/download/a?token=${JWT}`)).toMatchObject({ reuseFor: expected });
  },
);

// nginx caches each URL separately: with made-up arguments, one token could fill the cache.
test.each([
  ['', 2],
  ['&start=10', 2],
  ['&start=10&end=20', 2],
  ['&x=1', 0],
  ['&x', 0],
  ['&start=10&x', 0],
  ['&', 0],
  ['&&start=10', 0],
])('decision cache: with %s after the token it is reused for %i s', async (more, seconds) => {
  const mounts = [mount('/download/', '/protected/', { passArguments: ['start', 'end'] })];
  const { authorize, url } = await issued({ path: '/download/a' }, { decisionTtl: 2, mounts });
  expect(await authorize(url + more)).toMatchObject({ allow: true, reuseFor: seconds });
});

test('decision cache: no reuse if the token argument is malformed and the token is elsewhere', async () => {
  const { authorize, token } = await issued({ path: '/download/a' }, { decisionTtl: 2 });
  const authorization = `Bearer ${token}`;
  expect(await authorize('/download/a', { authorization })).toMatchObject({ reuseFor: 2 });
  const uri = '/download/a?token=1';
  expect(await authorize(uri, { authorization })).toMatchObject({ allow: true, reuseFor: 0 });
});

test('decision cache: path argument and token may be reused', async () => {
  const mounts = [mount('/download/', '/protected/', { pathArgument: 'file' })];
  const { authorize, url } = await issued({ path: '/download/a' }, { decisionTtl: 2, mounts });
  expect(await authorize(url)).toMatchObject({ allow: true, reuseFor: 2 });
  expect(await authorize(`${url}&x=1`)).toMatchObject({ allow: true, reuseFor: 0 });
});

test('decision cache: with target_args the other arguments of a request prevent reuse', async () => {
  const mounts = [mount('/download/', '/protected/', { passArguments: ['start'] })];
  const named = { ...client, targets: ['/protected/'] };
  const { issue, authorize } = createDecider({ decisionTtl: 2, mounts, client: named });
  const target = { target: '/protected/b', target_args: 'signature=x' };
  const { url } = await issue({ path: '/download/a', ...target });
  expect(await authorize(url)).toMatchObject({ allow: true, reuseFor: 2 });
  expect(await authorize(`${url}&start=1`)).toMatchObject({ allow: true, reuseFor: 0 });
});
