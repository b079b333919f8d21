import { expect, test } from 'vitest';
import { isToken, tokenId } from '../../service/token/token.ts';
import { mount } from '../support/postern.ts';
import { createDecider } from './decider.ts';

test('issue: returns the token, its ID, expires_in and the URL', async () => {
  const { issue } = createDecider();
  const issued = await issue({ path: '/download/Q3 résumé.pdf' });
  expect(isToken(issued.token)).toBe(true);
  expect(issued).toEqual({
    token: issued.token,
    id: tokenId(issued.token),
    expiresIn: 120,
    url: `/download/Q3%20r%C3%A9sum%C3%A9.pdf?token=${issued.token}`,
  });
});

test('issue: the token of a prefix is a segment of the URL', async () => {
  const { issue } = createDecider();
  const { token, url } = await issue({ prefix: '/download/a b/' });
  expect(url).toBe(`/download/~${token}/a%20b/`);
});

test('issue: with a path argument the path is at the end of the URL', async () => {
  const { issue } = createDecider({
    mounts: [mount('/logs/', '/protected/', { pathArgument: 'file' })],
  });
  const file = await issue({ path: '/logs/a&b/c.log' });
  expect(file.url).toBe(`/logs/?token=${file.token}&file=a%26b/c.log`);
  const folder = await issue({ prefix: '/logs/a/' });
  expect(folder.url).toBe(`/logs/?token=${folder.token}&file=a/`);
});

test('issue: the grant contains the requested and the derived fields', async () => {
  const { issue, store, clock } = createDecider();
  const { id } = await issue({
    prefix: '/download/a/',
    site: 'Files.Example',
    expires_in: 60,
    subject: 'user-42',
    target: '/protected/b/',
    filename: 'é.pdf',
    disposition: 'inline',
    limit_rate: 1000,
  });
  expect(await store.find(id)).toEqual({
    client: 'test',
    mount: '/download/',
    site: 'files.example',
    covers: '/download/a/',
    subject: 'user-42',
    target: '/protected/b/',
    filename: 'é.pdf',
    disposition: 'inline',
    limitRate: 1000,
    issuedAt: clock.now,
    expiresAt: clock.now + 60_000,
  });
});

test('issue: fields that were not requested are absent from the grant', async () => {
  const { issue, store, clock } = createDecider();
  const { id } = await issue({ path: '/download/a' });
  const grant = { client: 'test', mount: '/download/', covers: '/download/a' };
  const times = { issuedAt: clock.now, expiresAt: clock.now + 120_000 };
  expect(await store.find(id)).toStrictEqual({ ...grant, ...times });
});

test('issue: a flag that is false is absent from the grant', async () => {
  const { issue, store } = createDecider();
  const off = { cookie: false, listing: false, index: false, confirm: false };
  const { id } = await issue({ prefix: '/download/a/', ...off });
  expect(Object.keys((await store.find(id)) ?? {}).sort()).toEqual([
    ...['client', 'covers', 'expiresAt', 'issuedAt', 'mount'],
  ]);
});

test('issue: a batch keeps its order and is one call of the store', async () => {
  const decider = createDecider();
  let calls = 0;
  const issue = async () => {
    calls += 1;
  };
  const { issueAll } = createDecider({ store: { ...decider.store, issue } });
  const issued = await issueAll(...['a', 'b', 'c'].map((name) => ({ path: `/download/${name}` })));
  expect(issued.map(({ url }) => url.replace(/\?.*/, ''))).toEqual([
    '/download/a',
    '/download/b',
    '/download/c',
  ]);
  expect(calls).toBe(1);
});
