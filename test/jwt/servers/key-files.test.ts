import { rm } from 'node:fs/promises';
import { decodeProtectedHeader, type JWK } from 'jose';
import { expect, test } from 'vitest';
import { type KeyFile, keyFile, startInstance } from '../../support/jwt/instances.ts';
import { publicHalf } from '../../support/jwt/issuers.ts';

const LIVES = { revocable: false };

/** The private parts of a key, which no output may contain, not even in part. */
const secretsOf = (keys: readonly JWK[]) =>
  keys.flatMap(({ d, k }) => [d, k]).flatMap((secret) => secret?.slice(0, 12) ?? []);

const SHORT = { kty: 'oct', k: 'c2hvcnQtc2VjcmV0', kid: 'a', alg: 'HS256' };

const DAMAGES: ReadonlyArray<[string, (file: KeyFile, keys: JWK[]) => Promise<void>]> = [
  ['does not exist', (file) => rm(file.path)],
  ['is empty', (file) => file.write('')],
  ['is cut off', (file, keys) => file.write(JSON.stringify({ keys }, null, 2).slice(0, -30))],
  ['has a key without a list', (file, keys) => file.write(JSON.stringify(keys[0]))],
  ['has no key', (file) => file.write([])],
  ['has a key without a kid', (file, [{ kid: _, ...rest } = {}]) => file.write([rest])],
  ['has an unknown algorithm', (file, keys) => file.write([{ ...keys[0], alg: 'EdDSA2' }])],
  ['has a key of another kind', (file, keys) => file.write([{ ...keys[0], alg: 'HS256' }])],
  ['has a damaged key', (file, keys) => file.write([{ ...keys[0], d: `${keys[0]?.d}AAAA` }])],
  ['has two keys with the same kid', (file, keys) => file.write([...keys, ...keys])],
  ['cannot sign', (file, keys) => file.write(keys.map(publicHalf))],
  ['has a short secret', (file) => file.write([SHORT])],
];

/** A secret can be in the place of a path, so the error names a file only if there is one. */
const named = (what: string, file: KeyFile) =>
  what === 'does not exist' ? 'jwt_keys_file' : file.path;

// test/cli/check.test.ts has an invalid file at the start.
test('JWT keys: an invalid file keeps the old keys on SIGHUP, and is logged', async () => {
  const file = await keyFile();
  await file.generate();
  const keys = await file.keys();
  const service = await startInstance({ POSTERN_JWT_KEYS_FILE: file.path });
  const { access_token: old } = await service.issue(LIVES);
  for (const [what, damage] of DAMAGES) {
    await damage(file, keys);
    expect(await service.reload(), what).toMatchObject({
      level: 'error',
      errors: [{ file: named(what, file), reason: expect.any(String) }],
    });
    const { access_token: more } = await service.issue(LIVES);
    expect(decodeProtectedHeader(more).kid).toBe(keys[0]?.kid);
    expect(await service.statusesOf(old, more)).toEqual([204, 204]);
  }
  await file.write(keys);
  await file.generate('--rotate');
  expect(await service.reload()).toMatchObject({
    level: 'info',
    changes: [`changed file ${file.path}`],
  });
  expect(await service.statusOf(old)).toBe(204);
  const all = [...keys, ...(await file.keys())];
  await service.stop();
  const said = service.stdout() + service.stderr();
  for (const secret of [...secretsOf(all), 'c2hvcnQt']) expect(said).not.toContain(secret);
});
