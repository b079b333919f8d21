import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { postern, posternHere } from '../support/cli/postern.ts';
import { jwksText, newJwk } from '../support/jwt/issuers.ts';
import { CONFIG, configFile, type FileConfig, startReloadable } from '../support/reloading.ts';
import { SECRETS, type Secret } from '../support/secrets.ts';

async function check(config: FileConfig, words: string[] = [], env: Record<string, string> = {}) {
  const { path, folder } = await configFile(config);
  await writeFile(join(folder, 'keys.json'), await jwksText('EdDSA'));
  await writeFile(join(folder, 'no-keys.json'), '{}');
  const { d: _, ...half } = await newJwk('RS256', 'a');
  await writeFile(join(folder, 'half.json'), JSON.stringify({ keys: [half] }));
  // Variables for other commands are not an error here.
  const own = { POSTERN_CONFIG: path, POSTERN_API: 'http://127.0.0.1:9', POSTERN_API_KEY: 'x' };
  return posternHere(['check', ...words], folder, { env: { ...own, ...env } });
}

const issuer = (id: string, file: string) => ({
  ...{ id, issuer: `https://${id}.example`, audience: 'x', trusted_for: 'downloads' },
  ...{ jwks_file: file, paths: ['/download/'] },
});

test('check: a valid configuration exits with 0', async () => {
  const config = { ...CONFIG, jwt_keys_file: 'keys.json' };
  expect(await check(config)).toEqual({
    code: 0,
    stdout: 'The configuration is valid: 1 mount, 1 API key, 0 issuers.\n',
    stderr: '',
  });
  const { stdout } = await check(config, ['--json']);
  expect(JSON.parse(stdout)).toEqual({ valid: true, errors: [] });
});

test('check: reports every error and exits with 2', async () => {
  const secret = 'a-secret-in-the-wrong-place';
  const config = { ...CONFIG, api_keys: [{ id: 'web', key: secret }], expires_in: 'x' };
  const text = await check(config);
  expect(text).toMatchObject({ code: 2, stdout: '' });
  for (const part of ['2 errors', 'api_keys[0].key', 'expires_in', 'postern.yaml:']) {
    expect(text.stderr).toContain(part);
  }
  const json = await check(config, ['--json']);
  expect(json).toMatchObject({ code: 2, stderr: '' });
  const { valid, errors } = JSON.parse(json.stdout);
  expect(valid).toBe(false);
  expect(errors.map(({ field }: { field: string }) => field).sort()).toEqual([
    'api_keys[0].key',
    'expires_in',
  ]);
  expect(errors[0]).toHaveProperty('expected');
  for (const { stdout, stderr } of [text, json]) expect(stdout + stderr).not.toContain(secret);
});

test('check: reports every key file that cannot be used', async () => {
  const files = ['no-keys.json', 'missing.json', 'keys.json', 'half.json'];
  const issuers = files.map((file, i) => issuer(`${i}`, file));
  const config = { ...CONFIG, jwt_keys_file: 'no-keys.json', issuers };
  const { code, stderr } = await check(config);
  expect(code).toBe(2);
  expect(stderr.trim().split('\n')).toHaveLength(5);
  const json = await check(config, ['--json']);
  const { errors } = JSON.parse(json.stdout);
  expect(errors).toHaveLength(5);
  expect(errors).toEqual(
    expect.arrayContaining([
      { file: 'no-keys.json', reason: expect.stringContaining('JWKS') },
      { file: 'the jwks_file of 1', reason: expect.stringContaining('ENOENT') },
      { file: 'keys.json', reason: expect.stringContaining('"0" has private members') },
      { file: 'half.json', reason: expect.stringContaining('"a" has private members') },
    ]),
  );
});

test('check: without an API key a configuration is invalid, as for a service without a terminal', async () => {
  const { code, stderr } = await check({ mounts: CONFIG.mounts });
  expect([code, stderr]).toEqual([2, expect.stringContaining('at least one API key')]);
  expect((await check({ mounts: CONFIG.mounts, api_listen: 'off' })).code).toBe(0);
});

/** Fails if eight characters of a secret are in the output. */
function expectHidden(output: string, secrets: readonly Secret[]): void {
  expect(output).not.toBe('');
  for (const { hidden } of secrets) {
    for (let at = 0; at + 8 <= hidden.length; at += 1) {
      expect(output).not.toContain(hidden.slice(at, at + 8));
    }
  }
}

// test/config/secrets.property.test.ts has each secret in each setting.
test('check, start and reload: no output shows a JWT in place of a setting, or of the path of a key file', async () => {
  const secrets = [0, 1].flatMap(() => SECRETS.JWT?.(randomBytes(64)) ?? []);
  const [own = '', other = ''] = secrets.map(({ text }) => text);
  const config = { ...CONFIG, jwt_keys_file: own, issuers: [issuer('app', other)] };
  const service = await startReloadable();
  const { errors } = await service.apply(config);
  expect(errors).toHaveLength(2);
  for (const wrong of [config, { ...CONFIG, listen: own, expires_in: other }]) {
    const { path, folder } = await configFile(wrong);
    for (const words of [['check'], ['check', '--json'], ['serve']]) {
      const env = { POSTERN_CONFIG: path };
      const { code, stdout, stderr } = await postern(words, folder, { env });
      expect(code).toBe(2);
      expectHidden(stdout + stderr, secrets);
    }
  }
  expectHidden(service.stdout() + service.stderr(), secrets);
});
