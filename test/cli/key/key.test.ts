import { chmod, chown, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateKey } from '../../../cli/key/command.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import { type Ended, postern, posternHere } from '../../support/cli/postern.ts';
import { needRoot } from '../../support/need-root.ts';

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const run = (line: string) => posternHere(line.split(' '), folder);
const text = (name: string) => readFile(join(folder, name), 'utf8');
const keysOf = (json: string) => (JSON.parse(json) as { keys: JWK[] }).keys;
const mode = async (name: string) => (await stat(join(folder, name))).mode & 0o777;

/** Fails if the command failed or wrote to standard error. */
async function done(line: string): Promise<Ended> {
  const ended = await run(line);
  expect(ended, line).toMatchObject({ code: 0, stderr: '' });
  return ended;
}

const SHAPES = {
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  ES256: { kty: 'EC', crv: 'P-256' },
  HS256: { kty: 'oct' },
};

test.each(Object.entries(SHAPES))('key generate: a key for %s signs tokens', async (alg, shape) => {
  const { stdout } = await done(`key generate --alg ${alg}`);
  const [jwk, ...more] = keysOf(stdout);
  expect(more).toEqual([]);
  expect(jwk).toMatchObject({
    alg,
    use: 'sig',
    kid: expect.stringMatching(/^[\w-]{16}$/),
    ...shape,
  });
  if (jwk?.k !== undefined) expect(Buffer.from(jwk.k, 'base64url')).toHaveLength(32);

  const key = await importJWK(jwk as JWK);
  const jwt = await new SignJWT({}).setProtectedHeader({ alg }).sign(key);
  const { d: _, ...half } = jwk as JWK;
  await expect(jwtVerify(jwt, await importJWK(half))).resolves.toBeDefined();
});

test('key generate --out: only the owner can read the file, and no temporary file is left', async () => {
  const { stdout } = await done('key generate --out keys.json');
  const [key] = keysOf(await text('keys.json'));
  expect(await mode('keys.json')).toBe(0o600);
  expect(await readdir(folder)).toEqual(['keys.json']);
  expect(key?.alg).toBe('EdDSA');
  expect(stdout).toContain(key?.kid);
  expect(stdout).not.toContain(key?.d);
  expect(stdout).toMatch(/^To let Postern sign with this key, set POSTERN_JWT_KEYS_FILE/m);
  expect(stdout).toMatch(
    /^If your application signs .* the public half, as jwks_file of an issuer/m,
  );
});

test('key generate --out: an existing file is not overwritten', async () => {
  for (const there of ['keys.json', 'link.json']) {
    if (there === 'keys.json') await writeFile(join(folder, there), 'mine');
    else await symlink('nowhere', join(folder, there));
    const { code, stdout, stderr } = await run(`key generate --out ${there}`);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^postern: ${there} exists.*--rotate.*\\n$`));
  }
  expect(await text('keys.json')).toBe('mine');
  expect((await readdir(folder)).sort()).toEqual(['keys.json', 'link.json']);
});

test('key generate --out: only one of two simultaneous runs creates the file', async () => {
  const words = ['key', 'generate', '--out', 'keys.json', '--json'];
  const both = await Promise.all([1, 2].map(() => postern(words, folder)));
  expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
  const [won] = both.filter(({ code }) => code === 0);
  expect(keysOf(await text('keys.json'))[0]?.kid).toBe(JSON.parse(won?.stdout ?? '').kid);
});

test('key generate --rotate: the new key is first, and the other keys are unchanged', async () => {
  await done('key generate --alg ES256 --out keys.json');
  const before = JSON.parse(await text('keys.json'));
  await writeFile(join(folder, 'keys.json'), JSON.stringify({ ...before, note: 'kept' }));
  await done('key generate --rotate --out keys.json');
  const { keys, note } = JSON.parse(await text('keys.json'));
  expect(keys.slice(1)).toEqual(before.keys);
  expect(keys[0]).toMatchObject({ alg: 'ES256' });
  expect(keys[0].kid).not.toBe(before.keys[0].kid);
  expect(note).toBe('kept');

  const { stdout } = await done('key generate --rotate --alg HS256 --out keys.json --json');
  const [first] = keysOf(await text('keys.json'));
  expect(JSON.parse(stdout)).toEqual({ file: 'keys.json', kid: first?.kid, alg: 'HS256', keys: 3 });
  expect(await readdir(folder)).toEqual(['keys.json']);
});

test('key generate --rotate: no key is lost when several processes rotate at once', async () => {
  const out = join(folder, 'keys.json');
  await generateKey({ out });
  const rotations = [...Array(5)].map(() => generateKey({ out, rotate: true, json: true }));
  const done = (await Promise.allSettled(rotations)).flatMap((one) =>
    one.status === 'fulfilled' ? [JSON.parse(one.value).kid] : [],
  );
  expect(keysOf(await text('keys.json')).map(({ kid }) => kid)).toEqual(
    expect.arrayContaining(done),
  );
});

test.each([
  [0o644, 0o640],
  [0o640, 0o640],
  [0o666, 0o640],
  [0o400, 0o600],
])('key generate --rotate: file mode %o becomes %o', async (before, after) => {
  await done('key generate --out keys.json');
  await chmod(join(folder, 'keys.json'), before);
  await done('key generate --rotate --out keys.json');
  expect(await mode('keys.json')).toBe(after);
});

test('key generate --rotate: a symbolic link stays a link', async () => {
  await done('key generate --out keys.json');
  await symlink('keys.json', join(folder, 'current.json'));
  await done('key generate --rotate --out current.json');
  expect(keysOf(await text('keys.json'))).toHaveLength(2);
});

test('when root rotates, the owner stays', async (context) => {
  needRoot(context);
  await done('key generate --out keys.json');
  await chown(join(folder, 'keys.json'), 1234, 2345);
  await done('key generate --rotate --out keys.json');
  expect(await stat(join(folder, 'keys.json'))).toMatchObject({ uid: 1234, gid: 2345 });
});

const SECRET = 'a-s3cret-of-somebody';

test.each([
  ['', 'nothing'],
  [SECRET, 'no JSON'],
  [`{"keys":["${SECRET}"]}`, 'no key'],
  ['{"keys":[]}', 'at least one key'],
  [`{"kty":"oct","k":"${SECRET}"}`, 'a key without a set'],
  ['null', 'null'],
])('key: %j (%s) is rejected, and the message does not contain it', async (content) => {
  await writeFile(join(folder, 'keys.json'), content);
  for (const line of ['key list keys.json', 'key generate --rotate --out keys.json']) {
    const { code, stdout, stderr } = await run(line);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^postern: keys\.json: expected a JWKS file .*\n$/);
    expect(stderr).not.toContain('s3cret');
  }
  expect(await text('keys.json')).toBe(content);
});

test.each([
  ...['key list none.json', 'key list .', 'key generate --rotate --out none.json'],
  'key generate --out none/keys.json',
])('key: a file error is one line on standard error: %s', async (line) => {
  const { code, stdout, stderr } = await run(line);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^postern: .*(no such file|it is a folder).*\n$/);
  expect(await readdir(folder)).toEqual([]);
});

test('key list: shows which key signs, and no private key', async () => {
  await done('key generate --alg HS256 --out keys.json');
  await done('key generate --rotate --alg ES256 --out keys.json');
  await done('key generate --rotate --alg EdDSA --out keys.json');
  const keys = keysOf(await text('keys.json'));
  const kids = keys.map(({ kid = '' }) => kid);
  const shown = await done('key list keys.json');
  expect(shown.stdout).toBe(
    `${kids[0]}  EdDSA  signs\n${kids[1]}  ES256  verifies\n` + `${kids[2]}  HS256  verifies\n`,
  );
  const { stdout } = await done('key list keys.json --json');
  expect(JSON.parse(stdout)).toEqual({
    keys: [
      { kid: kids[0], alg: 'EdDSA', signs: true },
      { kid: kids[1], alg: 'ES256', signs: false },
      { kid: kids[2], alg: 'HS256', signs: false },
    ],
  });
});

test('key list: a first key without a private key cannot sign', async () => {
  const { publicKey } = await generateKeyPair('ES256', { extractable: true });
  await writeFile(
    join(folder, 'keys.json'),
    JSON.stringify({ keys: [await exportJWK(publicKey)] }),
  );
  expect((await done('key list keys.json')).stdout).toMatch(/^-\s+-\s+cannot sign/m);
  const refused = await run('key generate --rotate --out keys.json');
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('--alg') });
  await done('key generate --rotate --out keys.json --alg EdDSA');
});

test('key list: control characters are not printed', async () => {
  const kid = 'a\u001b[2Jb\u009b';
  await writeFile(join(folder, 'keys.json'), JSON.stringify({ keys: [{ kty: 'oct', kid }] }));
  expect((await done('key list keys.json')).stdout).not.toMatch(/(?!\n)\p{Cc}/u);
});
