import { decodeJwt } from 'jose';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { GrantField } from '../../service/token/grant-fields.ts';

// One declaration more, and nothing else: the rest of the program is loaded with it.
const label: GrantField = {
  type: 'text',
  maxLength: 10,
  record: 'label',
  description: 'what the token is for',
  value: 'text',
};

test('a field that is declared once is checked, stored, signed, returned, described and an option', async () => {
  vi.resetModules();
  onTestFinished(() => void vi.resetModules());
  const { GRANT_FIELDS } = await import('../../service/token/grant-fields.ts');
  Object.assign(GRANT_FIELDS, { label });
  const { createSigned } = await import('../support/jwt/signed.ts');
  const { ask } = await createSigned();
  const post = (more: object) =>
    ask('POST /tokens', { json: { path: '/download/a', label: 'report', ...more } });
  const errors = [{ pointer: '#/label' }];
  const refused = await post({ label: 'x'.repeat(11) });
  expect(refused.body).toMatchObject({ code: 'invalid_request', errors });

  const active = { active: true, label: 'report' };
  const opaque = (await post({})).body;
  expect((await ask(`GET /tokens/${opaque.id}`)).body).toMatchObject({ label: 'report' });
  const signed = (await post({ format: 'jwt', revocable: false })).body;
  expect(decodeJwt(signed.access_token)).toMatchObject({ label: 'report' });
  for (const { access_token: token } of [opaque, signed]) {
    expect((await ask('POST /introspect', { form: { token } })).body).toMatchObject(active);
  }

  const { encodeRecord, decodeRecord } = await import('../../service/store/redis/record.ts');
  const times = { issuedAt: 1, expiresAt: 2 };
  const grant = { client: 'web', mount: '/a/', covers: '/a/b', ...times, label: 'report' };
  expect(decodeRecord('id', encodeRecord('id', grant))).toEqual(grant);

  const { description, maxLength } = label;
  const { schemas } = (await ask('GET /openapi.json')).body.components;
  for (const name of ['FileTokenRequest', 'Token']) {
    expect(schemas[name].properties.label).toMatchObject({ maxLength, description });
  }
  const { grantOptions } = await import('../../cli/token/command.ts');
  const option = grantOptions().find(({ long }) => long === '--label');
  expect(option).toMatchObject({ flags: '--label <text>', description });
});
