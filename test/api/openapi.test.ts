import { expect, test } from 'vitest';
import type { z } from 'zod';
import * as answers from '../../service/api/schema.ts';
import { textOf } from '../harness/paths.ts';
import { createSigned } from '../support/jwt/signed.ts';
import { createPostern } from '../support/postern.ts';

interface Document {
  readonly paths: Record<string, object>;
  readonly components: { readonly schemas: Record<string, object> };
}

async function documentOf() {
  const { api } = createPostern({ apiUrl: 'https://postern.example' });
  const reply = await api.request('/openapi.json');
  expect(reply.status).toBe(200);
  expect(reply.headers.get('content-type')).toBe('application/json');
  return { api, document: (await reply.json()) as Document };
}

test('openapi: /openapi.json needs no key and contains the version', async () => {
  const { document } = await documentOf();
  const info = { title: 'Postern', version: '0.0.0' };
  expect(document).toMatchObject({ openapi: '3.1.1', info });
});

test('openapi: it and docs/reference/http.md describe every endpoint, and no other', async () => {
  const { api, document } = await documentOf();
  const routes = api.routes
    .filter(({ method, path }) => method !== 'ALL' && path !== '/*')
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item)
      .filter((key) => key !== 'parameters')
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(operations.sort()).toEqual([...new Set(routes)].sort());
  const page = textOf('docs/reference/http.md');
  const described = [...page.matchAll(/^(?:## |\| `)([A-Z]+ \/[^` \n]*)(?:` \|.*)?$/gm)];
  expect(described.map(([, operation]) => operation).sort()).toEqual(operations);
});

test('openapi: every $ref can be resolved', async () => {
  const { document } = await documentOf();
  const names = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)];
  expect(names.length).toBeGreaterThan(10);
  expect(Object.keys(document.components.schemas)).toEqual(
    expect.arrayContaining(names.map(([, name]) => name)),
  );
});

test('openapi: a request names a file or a folder, with the fields of each', async () => {
  const { document } = await documentOf();
  const { TokenRequest, FileTokenRequest, FolderTokenRequest } = document.components.schemas;
  expect(TokenRequest).toMatchObject({
    oneOf: [
      { $ref: '#/components/schemas/FileTokenRequest' },
      { $ref: '#/components/schemas/FolderTokenRequest' },
    ],
  });
  const bounds = { type: 'integer', minimum: 1, maximum: 1000 };
  const folderOnly = ['prefix', 'cookie', 'listing', 'index'];
  expect(FileTokenRequest).toMatchObject({
    additionalProperties: false,
    required: ['path'],
    properties: { max_uses: bounds },
  });
  for (const name of folderOnly) expect(FileTokenRequest).not.toHaveProperty(`properties.${name}`);
  expect(FolderTokenRequest).toMatchObject({ required: ['prefix'] });
  expect(FolderTokenRequest).not.toHaveProperty('properties.path');
  for (const name of folderOnly) expect(FolderTokenRequest).toHaveProperty(`properties.${name}`);
});

test('openapi: every field has a description, and each operation has a different ID', async () => {
  const { document } = await documentOf();
  const bare: string[] = [];
  const walk = (value: unknown, at: string) => {
    if (typeof value !== 'object' || value === null) return;
    const { properties, ...others } = value as { properties?: Record<string, object> };
    for (const [name, field] of Object.entries(properties ?? {})) {
      if (!('description' in field || '$ref' in field)) bare.push(`${at}/${name}`);
      walk(field, `${at}/${name}`);
    }
    for (const [name, one] of Object.entries(others)) walk(one, `${at}/${name}`);
  };
  walk(document, '');
  expect(bare).toEqual([]);
  const ids = [...JSON.stringify(document).matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id);
  expect(ids.length).toBe(new Set(ids).size);
  expect(ids.length).toBe(15);
});

const holds = (schema: z.ZodType, body: unknown) =>
  expect(schema.safeParse(body).error).toBeUndefined();

test('openapi: responses match their schemas, also for a used token and a JWT', async () => {
  const { ask, issue, store } = await createSigned();
  const full = {
    ...{ prefix: '/download/a/', subject: 'u', max_uses: 2, ip: ['192.0.2.0/24'] },
    ...{ filename: 'a', limit_rate: 1, cookie: true, size: 0, sender: 'Ada' },
  };
  const one = await ask('POST /tokens', { json: { path: '/download/a' } });
  const many = await ask('POST /tokens/batch', { json: [full, { ...full, bind: 'cookie' }] });
  for (const issued of [one.body, ...many.body]) {
    holds(answers.issued, issued);
    const { id, access_token: token } = issued;
    holds(answers.state, (await ask(`GET /tokens/${id}`)).body);
    holds(answers.state, (await ask(`PATCH /tokens/${id}`, { json: { expires_in: 60 } })).body);
    holds(answers.introspection, (await ask('POST /introspect', { form: { token } })).body);
  }
  const used = await issue({ path: '/download/b', max_uses: 1, format: 'opaque' });
  const requester = { cookies: [], newCookie: 'x'.repeat(22), address: '192.0.2.1' };
  await store.redeem(used.id, requester, true);
  const state = (await ask(`GET /tokens/${used.id}`)).body;
  expect(state).toMatchObject({ requesters: [{ address: '192.0.2.1' }] });
  holds(answers.state, state);
  const signed = await issue({ path: '/download/a' });
  holds(answers.state, (await ask(`GET /tokens/${signed.id}`)).body);
  holds(answers.introspection, (await ask('POST /introspect', { form: { token: 'x' } })).body);
  holds(answers.page, (await ask('GET /tokens?subject=u&limit=1')).body);
  holds(answers.revoked, (await ask('DELETE /tokens?subject=u')).body);
  holds(answers.health, (await ask('GET /readyz')).body);
  holds(answers.health, (await ask('GET /livez')).body);
  holds(answers.problemDocument, (await ask('GET /tokens/x')).body);
  holds(answers.problemDocument, (await ask('POST /tokens', { json: { path: 1, y: 2 } })).body);
  holds(answers.problemDocument, (await ask('POST /introspect', { form: {} })).body);
});
