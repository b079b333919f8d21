import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { foreigner, uri } from './foreigner.ts';
import { signedGate } from './signed-gate.ts';
import { createSigned } from './signed-site.ts';

test('JWT: confirm is a claim, and the PIN is in neither the token nor the API', async () => {
  const { issue, ask } = await createSigned();
  const { access_token: token, id } = await issue({
    path: '/download/a',
    confirm: true,
    pin: '4711',
    filename: 'x.pdf',
  });
  expect(decodeJwt(token)).toMatchObject({ confirm: true, resume_for: 0 });
  const shown = await ask(`GET /tokens/${id}`);
  expect(shown.body).toMatchObject({ confirm: true, requesters: [] });
  const introspected = await ask('POST /introspect', { form: { token } });
  expect(introspected.body).toMatchObject({ active: true, confirm: true });
  const all = JSON.stringify([decodeJwt(token), shown.body, introspected.body]);
  expect(all).not.toMatch(/pin|4711/i);
});

test('external JWT: confirm counts its requesters, and a claim pin is rejected', async () => {
  const app = await foreigner('app');
  const gate = await signedGate({ issuers: [app.issuer], files: app.file });
  const { codeOf } = gate;
  const token = await app.sign({ confirm: true, max_uses: 1, resume_for: 60 });
  const confirm = async (address: string) => {
    const { headers } = await gate.confirm(uri(token), { 'X-Real-IP': address });
    return headers['postern-reason'];
  };
  const from = { 'X-Real-IP': '192.0.2.1' };
  expect(await codeOf(uri(token), from)).toBe('confirmation_required');
  expect(await confirm('192.0.2.1')).toBe('confirmed');
  expect(await codeOf(uri(token), from)).toBe('allow');
  expect(await confirm('192.0.2.2')).toBe('invalid_token');
  const pinned = await app.sign({ confirm: true, pin: '4711' });
  expect(await codeOf(uri(pinned), from)).toBe('invalid_token');
});
