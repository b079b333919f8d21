import { decodeJwt } from 'jose';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { GrantField } from '../../service/token/grant-fields.ts';

// One declaration more, and nothing else: the rest of the program is loaded with it.
const label: GrantField = {
  type: 'text',
  maxLength: 10,
  record: 'label',
  description: 'what the token is for',
  value: 'text',
};

beforeEach(async () => {
  vi.resetModules();
  const { GRANT_FIELDS } = await import('../../service/token/grant-fields.ts');
  Object.assign(GRANT_FIELDS, { label });
});
afterEach(() => vi.resetModules());

test('a field that is declared once is accepted, checked, returned and described', async () => {
  const { createAsked } = await import('../api/ask-api.ts');
  const { ask } = createAsked();
  const refused = await ask('POST /tokens', {
    json: { path: '/download/a', label: 'x'.repeat(11) },
  });
  expect(refused.body).toMatchObject({ code: 'invalid_request', errors: [{ pointer: '#/label' }] });

  const issued = await ask('POST /tokens', { json: { path: '/download/a', label: 'report' } });
  expect(issued.status).toBe(201);
  const { id, access_token: token } = issued.body;
  expect((await ask(`GET /tokens/${id}`)).body).toMatchObject({ label: 'report' });
  const introspected = await ask('POST /introspect', { form: { token } });
  expect(introspected.body).toMatchObject({ active: true, label: 'report' });

  const { schemas } = (await ask('GET /openapi.json')).body.components;
  for (const name of ['FileTokenRequest', 'Token']) {
    expect(schemas[name].properties.label).toMatchObject({
      maxLength: 10,
      description: 'what the token is for',
    });
  }
});

test('a field that is declared once is stored in the record', async () => {
  const { encodeRecord, decodeRecord } = await import('../../service/store/redis/record.ts');
  const times = { issuedAt: 1, expiresAt: 2 };
  const grant = { client: 'web', mount: '/a/', covers: '/a/b', ...times, label: 'report' };
  expect(decodeRecord(encodeRecord(grant))).toEqual(grant);
});

test('a field that is declared once is a claim of a JWT', async () => {
  const { createSigned } = await import('../jwt/signed.ts');
  const { ask } = await createSigned();
  const json = { path: '/download/a', label: 'report', format: 'jwt', revocable: false };
  const issued = await ask('POST /tokens', { json });
  const { access_token: token } = issued.body;
  expect(decodeJwt(token)).toMatchObject({ label: 'report' });
  const introspected = await ask('POST /introspect', { form: { token } });
  expect(introspected.body).toMatchObject({ active: true, label: 'report' });
});

test('a field that is declared once is an option of postern token issue', async () => {
  const { grantOptions } = await import('../../cli/token/command.ts');
  const option = grantOptions().find(({ long }) => long === '--label');
  expect(option).toMatchObject({ flags: '--label <text>', description: 'what the token is for' });
});
