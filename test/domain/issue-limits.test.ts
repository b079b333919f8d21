import { expect, test } from 'vitest';
import { client, createDecider, refusal } from './decider.ts';

test("the default time is never beyond the client's maximum", async () => {
  const { issue } = createDecider({ client: { ...client, maxExpiresIn: 30 } });
  expect((await issue({ path: '/download/a' })).expiresIn).toBe(30);
});

test("the client's maximum itself may be asked for", async () => {
  const { issue } = createDecider();
  expect((await issue({ path: '/download/a', expires_in: 3600 })).expiresIn).toBe(3600);
});

test('a client without paths may issue for every mount', async () => {
  const { issue } = createDecider();
  expect((await issue({ prefix: '/download/' })).expiresIn).toBe(120);
});

test('a client with no paths at all may issue for none', async () => {
  const { issue } = createDecider({ client: { ...client, paths: [] } });
  const refused = await refusal(issue({ path: '/download/a' }));
  expect(refused.code).toBe('insufficient_scope');
});

test('a limited client may issue for its own folder, whole and in part', async () => {
  const paths = [{ prefix: '/download/a/' }, { prefix: '/download/b/' }];
  const { issue } = createDecider({ client: { ...client, paths } });
  await issue({ prefix: '/download/a/' });
  await issue({ path: '/download/b/c/d' });
});

test('a client of one site may issue for it, and must name it where a mount serves all', async () => {
  const paths = [{ site: 'a.example', prefix: '/download/' }];
  const { issue, store } = createDecider({ client: { ...client, paths } });
  const { id } = await issue({ path: '/download/a', site: 'A.example' });
  expect((await store.find(id))?.site).toBe('a.example');
  for (const site of ['b.example', undefined]) {
    const refused = await refusal(issue({ path: '/download/a', site }));
    expect(refused.code).toBe('insufficient_scope');
  }
});
