import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import type { Entry } from '../../service/token/store.ts';
import { createAsked } from './ask-api.ts';

test('issue: one request returns one token', async () => {
  const { ask } = createAsked();
  const path = '/download/reports/Q3 résumé.pdf';
  const { status, headers, body } = await ask('POST /tokens', { json: { path } });
  expect(status).toBe(201);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('content-type')).toBe('application/json');
  expect(body).toEqual({
    access_token: expect.stringMatching(/^ps_[\w-]{32}$/),
    token_type: 'Bearer',
    expires_in: 120,
    id: expect.stringMatching(/^[\w-]{22}$/),
    url: `/download/reports/Q3%20r%C3%A9sum%C3%A9.pdf?token=${body.access_token}`,
  });
});

test('issue: an array of requests returns an array of tokens', async () => {
  const { ask } = createAsked();
  const json = [{ path: '/download/a' }, { prefix: '/download/b/', expires_in: 10 }];
  const { status, body } = await ask('POST /tokens/batch', { json });
  expect(status).toBe(201);
  expect(body).toMatchObject([
    { expires_in: 120, url: `/download/a?token=${body[0].access_token}` },
    { expires_in: 10, url: `/download/~${body[1].access_token}/b/` },
  ]);
});

test('issue: with cookie the response has a URL whose relative links use the cookie', async () => {
  const { ask } = createAsked({ publicUrl: 'https://files.example' });
  const json = { prefix: '/download/Q3 é/', cookie: true };
  const { body } = await ask('POST /tokens', { json });
  const token = body.access_token;
  expect(body).toMatchObject({
    url: `https://files.example/download/~${token}/Q3%20%C3%A9/`,
    cookie_url: `https://files.example/download/Q3%20%C3%A9/?token=${token}`,
  });
  const { body: without } = await ask('POST /tokens', { json: { ...json, cookie: false } });
  expect(without).not.toHaveProperty('cookie_url');
});

test('issue: an array with one request returns an array', async () => {
  const { ask } = createAsked();
  const { body } = await ask('POST /tokens/batch', { json: [{ path: '/download/a' }] });
  expect(body).toHaveLength(1);
});

test('issue: a batch has at most 1000 requests', async () => {
  const { ask } = createAsked();
  const json = Array.from({ length: 1001 }, (_, i) => ({ path: `/download/${i}` }));
  expect(await ask('POST /tokens/batch', { json })).toMatchObject({
    status: 400,
    body: { code: 'invalid_request' },
  });
  const { status, body } = await ask('POST /tokens/batch', { json: json.slice(1) });
  expect(status).toBe(201);
  expect(new Set(body.map(({ id }: { id: string }) => id)).size).toBe(1000);
});

test('issue: the URL of a token starts with the public URL', async () => {
  const { ask } = createAsked({ publicUrl: 'https://files.example' });
  const { body } = await ask('POST /tokens', { json: { path: '/download/a' } });
  expect(body.url).toBe(`https://files.example/download/a?token=${body.access_token}`);
});

test('issue: every field accepts its maximum length', async () => {
  const { ask } = createAsked();
  const json = {
    path: `/download/${'é'.repeat(1019)}`,
    site: 's'.repeat(253),
    subject: 'é'.repeat(256),
    filename: 'é'.repeat(255),
    expires_in: 3600,
    limit_rate: 1_000_000_000_000,
  };
  expect((await ask('POST /tokens', { json })).status).toBe(201);
  for (const [field, value] of Object.entries(json)) {
    const longer = typeof value === 'number' ? value + 1 : `${value}e`;
    expect(await ask('POST /tokens', { json: { ...json, [field]: longer } })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: `#/${field}` }] },
    });
  }
});

test('issue: small batches do not wait for each other if the store is slow', async () => {
  const store = createMemoryStore();
  let calls = 0;
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  async function issue(entries: readonly Entry[]) {
    calls += 1;
    await released;
    return store.issue(entries);
  }
  const { ask } = createAsked({ store: { ...store, issue } });
  const json = [{ path: '/download/a' }, { path: '/download/b' }];
  const answers = Array.from({ length: 20 }, () => ask('POST /tokens/batch', { json }));
  await expect.poll(() => calls).toBe(20);
  release();
  for (const { status } of await Promise.all(answers)) expect(status).toBe(201);
});
