import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jwtId, newToken } from '../../../service/token/token.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import { posternHere } from '../../support/cli/postern.ts';
import { writeFiles } from '../../support/files.ts';
import { foreigner } from '../../support/jwt/issuers.ts';
import { createSigned } from '../../support/jwt/signed.ts';
import { issueToken, KEY, type Listening, listening } from '../../support/postern.ts';

let folder: string;
let service: Listening;
let app: Awaited<ReturnType<typeof foreigner>>;
let signed: Awaited<ReturnType<typeof createSigned>>;
let opaque: Awaited<ReturnType<typeof issueToken>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  app = await foreigner('app');
  signed = await createSigned();
  // The command has the real clock.
  signed.clock.now = Date.now();
  service = await listening(getRequestListener(signed.api.fetch));
  opaque = await issueToken(signed.api, { path: '/download/a', subject: 'ada' });
  const [own = '', other = ''] = [signed.files.own, app.file.app];
  await writeFiles(folder, { 'own.json': own, 'app.json': other, 'postern.yaml': CONFIG });
});
afterAll(async () => {
  await service.stop();
  await rm(folder, { recursive: true });
});

const CONFIG = `
mounts: [{ public: /download/, internal: /protected/ }]
jwt_keys_file: own.json
jwt_issuer: https://files.example
issuers:
  - id: app
    issuer: https://app.example
    audience: https://files.example
    jwks_file: app.json
    trusted_for: downloads
    paths: [/download/reports/]
    max_expires_in: 600
`;

const at = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

function run(
  stdin: string | Buffer,
  words: string[] = [],
  env: Record<string, string> = {},
  command = 'explain',
) {
  const api = { POSTERN_API: `http://127.0.0.1:${service.port}`, POSTERN_API_KEY: KEY };
  const config = { POSTERN_CONFIG: join(folder, 'postern.yaml') };
  return posternHere(['token', command, ...words], folder, {
    env: { ...api, ...config, ...env },
    stdin,
  });
}

async function explained(token: string, env?: Record<string, string>) {
  const { code, stdout, stderr } = await run(`${token}\n`, ['--json'], env);
  expect(stderr).toBe('');
  expect(stdout.slice(0, -1)).not.toMatch(/\n/);
  return { code, ...JSON.parse(stdout) };
}

describe('token explain: a JWT, with the configuration of the service', () => {
  // None of these needs the API.
  const alone = { POSTERN_API: '', POSTERN_API_KEY: '' };

  test('signed by Postern: prints its claims, exit 0', async () => {
    for (const revocable of [true, false]) {
      const issued = await signed.issue({ prefix: '/download/x/', subject: 'ada', revocable });
      expect(await explained(issued.access_token, alone)).toMatchObject({
        code: 0,
        active: true,
        id: issued.id,
        iss: 'https://files.example',
        prefix: '/download/x/',
        sub: 'ada',
        store: expect.stringContaining(
          revocable ? `token show -- ${issued.id}` : 'does not keep this token',
        ),
      });
    }
  });

  test('signed by a trusted issuer: prints its claims, exit 0', async () => {
    const token = await app.sign({ iat: at(0), exp: at(60), jti: 'one', sub: 'ada' });
    expect(await explained(token, alone)).toMatchObject({
      code: 0,
      active: true,
      id: jwtId('https://app.example', 'one'),
      path: '/download/reports/a',
    });
    const { stdout } = await run(token, [], alone);
    expect(stdout).toMatch(/^exp +20\d\d-.*Z$/m);
    expect(stdout).not.toContain(token.split('.')[2]);
  });

  test.each<[string, object, RegExp]>([
    // jwt/reasons.test.ts has all of them.
    ['path', { path: '/download/secret' }, /^path: is outside of/],
    ['iss', { iss: 'https://nobody.example' }, /^iss: /],
  ])('invalid: prints the check that fails: %s, exit 1', async (_, claims, reason) => {
    const token = await app.sign({ iat: at(0), exp: at(60), ...claims });
    const expected = { code: 1, active: false, reason: expect.stringMatching(reason) };
    expect(await explained(token, alone)).toMatchObject(expected);
  });

  test('signed by Postern, without the keys of the service: names the setting, exit 1', async () => {
    const { access_token } = await signed.issue({ path: '/download/a' });
    const noKeys = { POSTERN_CONFIG: '', POSTERN_MOUNTS: '/download/=/protected/' };
    expect(await explained(access_token, { ...alone, ...noKeys })).toMatchObject({
      code: 1,
      reason: expect.stringMatching(/^iss: .*POSTERN_JWT_KEYS_FILE is not set/),
    });
  });

  test('an invalid configuration: exit 2', async () => {
    const token = await app.sign({ iat: at(0), exp: at(60) });
    const wrong = { POSTERN_MOUNTS: '/a/=/a/' };
    const { code, stdout, stderr } = await run(token, [], wrong);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('POSTERN_MOUNTS');
    const noKeys = { POSTERN_JWT_KEYS_FILE: join(folder, 'postern.yaml') };
    expect(await run(token, [], noKeys)).toMatchObject({ code: 2, stdout: '' });
  });

  test('keys that are not available: exit 1, and nothing on standard output', async () => {
    const gone = CONFIG.replace('jwks_file: app.json', 'jwks_uri: http://127.0.0.1:9/keys');
    await writeFile(join(folder, 'gone.yaml'), gone);
    const token = await app.sign({ iat: at(0), exp: at(60) });
    const ended = await run(token, [], { POSTERN_CONFIG: join(folder, 'gone.yaml') });
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toContain('https://app.example');
  });
});

describe('token introspect, and token explain for an opaque token: through the API', () => {
  // The service has a configuration; the command has none.
  const introspected = async (token: string, env = {}) => {
    const without = { POSTERN_CONFIG: '', ...env };
    const { code, stdout, stderr } = await run(token, ['--json'], without, 'introspect');
    return { code, stderr, ...JSON.parse(stdout || '{}') };
  };

  test('active: prints the state, exit 0', async () => {
    const jwt = await signed.issue({ path: '/download/b', subject: 'ada' });
    expect(await introspected(opaque.access_token)).toMatchObject({ code: 0, jti: opaque.id });
    const state = { code: 0, active: true, path: '/download/a', sub: 'ada' };
    expect(await explained(opaque.access_token)).toMatchObject(state);
    expect(await introspected(jwt.access_token)).toMatchObject({
      ...{ code: 0, active: true, jti: jwt.id, sub: 'ada', path: '/download/b' },
    });
    const { stdout } = await run(jwt.access_token, [], {}, 'introspect');
    expect(stdout).toMatch(/^active +true\n(?:.*\n)*path +\/download\/b\n/);
    expect(stdout).not.toContain(jwt.access_token);
  });

  test('revoked or of an unknown form: prints a reason, exit 1', async () => {
    const { id, access_token: token } = await signed.issue({ path: '/download/b' });
    await signed.store.revoke(id, 'test');
    const reason = expect.stringMatching(/^no live token/);
    const all = [
      await introspected(token),
      await introspected('hello'),
      await explained(newToken()),
    ];
    for (const state of all) expect(state).toMatchObject({ code: 1, active: false, reason });
  });

  test('no token, or no API: prints nothing to standard output', async () => {
    expect(await introspected('\n')).toMatchObject({ code: 2 });
    const env = { POSTERN_API: 'http://127.0.0.1:9' };
    const said = await introspected(opaque.access_token, env);
    expect(said).toEqual({ code: 1, stderr: expect.stringContaining('does not answer') });
  });
});

describe('token explain: input that is not a token', () => {
  test.each([
    ['nothing', '', 2],
    ['a line break', '\n', 2],
    ['a word', 'hello', 1],
    ['another JWT', `ey${'a'.repeat(40)}.eyJh.AAAA`, 1],
    ['bytes', Buffer.from([0xff, 0xfe, 0x1b, 0x5b]), 1],
    ['too much', 'a'.repeat(100_000), 1],
  ])('%s', async (_, stdin, code) => {
    const ended = await run(stdin);
    expect(ended.code).toBe(code);
    expect(ended.stdout + ended.stderr).not.toMatch(/(?!\n)\p{Cc}|a{30}/u);
  });

  test('a token as an argument is a usage error, and is not printed', async () => {
    const { code, stdout, stderr } = await run('', [opaque.access_token]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toContain(opaque.access_token);
  });
});

test('token explain: control characters in a claim are escaped', async () => {
  const hostile = '\u001b[2J\u009b1m\u2028\u202e';
  const times = { iat: at(0), exp: at(60) };
  for (const claims of [
    { [hostile]: 1 },
    { aud: ['https://files.example', hostile] },
    { path: `/download/reports/${hostile}` },
    { path: '/download/reports/\u202egpj.exe', sub: 'a\u202eb', jti: '\u2028' },
  ]) {
    const token = await app.sign({ ...times, ...claims });
    for (const words of [[], ['--json']]) {
      const { stdout, stderr } = await run(token, words);
      expect(stdout + stderr).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\u2028]/u);
    }
  }
});
