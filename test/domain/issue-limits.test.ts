import { expect, test } from 'vitest';
import { client, createDecider, refusal } from './decider.ts';

test('issue: the default expires_in is at most the maximum of the client', async () => {
  const { issue } = createDecider({ client: { ...client, maxExpiresIn: 30 } });
  expect((await issue({ path: '/download/a' })).expiresIn).toBe(30);
});

test('issue: expires_in may be the maximum of the client', async () => {
  const { issue } = createDecider();
  expect((await issue({ path: '/download/a', expires_in: 3600 })).expiresIn).toBe(3600);
});

test('issue: a client without paths may issue for every mount', async () => {
  const { issue } = createDecider();
  expect((await issue({ prefix: '/download/' })).expiresIn).toBe(120);
});

test('issue: a client with an empty list of paths may issue for no mount', async () => {
  const { issue } = createDecider({ client: { ...client, paths: [] } });
  const refused = await refusal(issue({ path: '/download/a' }));
  expect(refused.code).toBe('insufficient_scope');
});

test('issue: a client may issue for its folder and for paths in it', async () => {
  const paths = [{ prefix: '/download/a/' }, { prefix: '/download/b/' }];
  const { issue } = createDecider({ client: { ...client, paths } });
  await issue({ prefix: '/download/a/' });
  await issue({ path: '/download/b/c/d' });
});

test('issue: a client of one site must name the site if a mount serves all sites', async () => {
  const paths = [{ site: 'a.example', prefix: '/download/' }];
  const { issue, store } = createDecider({ client: { ...client, paths } });
  const { id } = await issue({ path: '/download/a', site: 'A.example' });
  expect((await store.find(id))?.site).toBe('a.example');
  for (const site of ['b.example', undefined]) {
    const refused = await refusal(issue({ path: '/download/a', site }));
    expect(refused.code).toBe('insufficient_scope');
  }
});
