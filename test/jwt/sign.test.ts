import fc from 'fast-check';
import { type JWTPayload, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { createSignPayload } from '../../service/jwt/claims.ts';
import { createOwnKeys } from '../../service/jwt/keys.ts';
import { jwksText } from '../support/jwt/issuers.ts';
import { runs } from '../support/runs.ts';

const TYPE = 'postern+jwt';

/** Claims as Postern signs them: texts of clients, lists, numbers and nested objects. */
const claims = fc.dictionary(
  fc.string({ unit: 'binary' }).filter((name) => name !== '__proto__'),
  fc.jsonValue(),
) as fc.Arbitrary<JWTPayload>;

test.each(['EdDSA', 'ES256', 'HS256'])('sign: jose verifies each JWT by %s', async (alg) => {
  const { first } = await createOwnKeys(await jwksText(alg));
  const sign = createSignPayload(first, TYPE);
  await fc.assert(
    fc.asyncProperty(claims, async (some) => {
      const payload = JSON.parse(JSON.stringify({ ...some, exp: 4e9, nbf: 0, iat: 0 }));
      const token = await sign(payload);
      const read = await jwtVerify(token, first.verify, { algorithms: [alg], typ: TYPE });
      expect(read).toEqual({ payload, protectedHeader: { alg, kid: '0', typ: TYPE } });
      expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    }),
    { numRuns: runs(300) },
  );
});

test('sign: no algorithm means no signature', async () => {
  const { first } = await createOwnKeys(await jwksText('HS256'));
  expect(() => createSignPayload({ ...first, alg: 'none' }, TYPE)).toThrow(TypeError);
});
