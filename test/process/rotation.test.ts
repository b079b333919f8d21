import { generateKeyPairSync } from 'node:crypto';
import { mkdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { createSign } from '../../service/s3/sign.ts';
import { freePorts } from '../harness/ports.ts';
import { startRedis } from '../harness/redis.ts';
import { startService } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi, askGate } from '../support/ask-service.ts';
import { selfSigned } from '../support/certificate.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { configFile, linesOf, reloads } from '../support/reloading.ts';

const keyOf = (n: number) => `the-key-of-the-client-${n}`;
const bucketOf = (n: number) => ({
  accessKeyId: `AKIA${n}`,
  secretAccessKey: `QzSecretOfBucket${n}`,
});
const signing = (kid: string) => {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return JSON.stringify({ keys: [{ ...jwk, kid, alg: 'EdDSA' }] });
};
const LOCATION = { endpoint: 'https://s3.example', region: 'auto', bucket: 'media' };

/** A folder in which a kubelet mounts a Secret: each file is a link below `..data`, and a new Secret replaces that link. */
async function mountedSecret(files: Readonly<Record<string, string>>) {
  const folder = await folderForTest();
  let count = 0;
  async function replace(next: Readonly<Record<string, string>>): Promise<void> {
    count += 1;
    await mkdir(join(folder, `..${count}`));
    await writeFiles(join(folder, `..${count}`), next);
    await symlink(`..${count}`, join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  }
  await replace(files);
  for (const name of Object.keys(files)) await symlink(`..data/${name}`, join(folder, name));
  return { replace, path: (name: string) => join(folder, name) };
}

test('rotation: new API keys, bucket credentials, JWT keys and webhook secrets apply without a signal', async () => {
  const secretOf = (n: number) => ({
    web: `${keyOf(n)}\n${keyOf(n + 1)}\n`,
    bucket: JSON.stringify({ AccessKeyId: `AKIA${n}`, SecretAccessKey: `QzSecretOfBucket${n}` }),
    jwks: signing(`key-${n}`),
    webhook: `whsec_${Buffer.alloc(24, n).toString('base64')}`,
  });
  const secret = await mountedSecret(secretOf(1));
  const storage = { type: 's3', ...LOCATION, credentials: secret.path('bucket') };
  const config = {
    mounts: [{ public: '/media/', internal: '/s3/', storage }],
    api_keys: [{ id: 'web', key_file: secret.path('web') }],
    jwt_keys_file: secret.path('jwks'),
    webhook_url: 'https://app.example/',
    webhook_secret_file: secret.path('webhook'),
  };
  const file = await configFile(config);
  const service = await forTest(startService({ env: { POSTERN_CONFIG: file.path } }));
  const last = () => reloads(service.stdout()).at(-1);
  const issue = (n: number) =>
    askApi(service, 'POST /tokens', { json: { path: '/media/a.mp4' }, key: keyOf(n) });
  const { url } = (await issue(2)).body;
  /** Whose signature the gate sends: that of the first or of a later bucket credential. */
  async function signedBy(n: number): Promise<boolean> {
    const args = (await askGate(service, url)).headers.get('postern-args') ?? '';
    const [, ...date] = /X-Amz-Date=(....)(..)(..T..)(..)(..Z)/.exec(args) ?? [];
    const at = Date.parse(`${date[0]}-${date[1]}-${date[2]}:${date[3]}:${date[4]}`);
    const location = { ...LOCATION, prefix: '', style: 'path' } as const;
    return createSign(location, bucketOf(n), () => at)('a.mp4').args === args;
  }
  const kids = async () =>
    (await askApi(service, 'GET /.well-known/jwks.json')).body.keys.map(
      ({ kid }: { kid: string }) => kid,
    );
  expect([(await issue(1)).status, await signedBy(1), await kids()]).toEqual([
    201,
    true,
    ['key-1'],
  ]);

  await secret.replace(secretOf(2));
  await waitFor(() => last(), { what: 'the reload' });
  expect(last()).toMatchObject({
    level: 'info',
    changes: [
      ...['changed webhook_secret_file', 'changed mounts /media/', 'changed api_keys web'],
      `changed file ${secret.path('jwks')}`,
    ],
  });
  const statuses = [(await issue(1)).status, (await issue(2)).status, (await issue(3)).status];
  expect(statuses).toEqual([401, 201, 201]);
  expect([await signedBy(2), await kids()]).toEqual([true, ['key-2']]);

  // An invalid file keeps everything as it was, and is reported once.
  await secret.replace({ ...secretOf(3), bucket: 'QzNoJson' });
  await expect.poll(() => last()?.level, { message: 'the report' }).toBe('error');
  expect(last()?.errors).toMatchObject([{ field: 'mounts[0].storage.credentials' }]);
  expect([(await issue(4)).status, await signedBy(2), await kids()]).toEqual([
    401,
    true,
    ['key-2'],
  ]);
  await secret.replace(secretOf(4));
  await expect.poll(() => last()?.level, { message: 'the next reload' }).toBe('info');
  expect((await issue(4)).status).toBe(201);
  expect(reloads(service.stdout())).toHaveLength(3);

  // A file that cannot be read does not end the watch.
  await file.write('mounts: [');
  await secret.replace(secretOf(5));
  await expect.poll(() => last()?.level).toBe('error');
  await file.write(config);
  await secret.replace(secretOf(6));
  await expect.poll(() => last()?.level, { message: 'the reload of both' }).toBe('info');
  expect((await issue(6)).status).toBe(201);
  expect(service.stdout() + service.stderr()).not.toMatch(/QzSecretOf|QzNoJson|the-key-of/);
});

test('rotation: a new password and certificate of Redis lose no request, and wrong ones keep the connection', async () => {
  const [server, one, two] = ['redis.example', 'one.example', 'two.example'].map(selfSigned);
  const secretOf = (password: string, client = one) => ({
    password,
    'ca.crt': server?.certificate ?? '',
    'tls.crt': client?.certificate ?? '',
    'tls.key': client?.key ?? '',
  });
  const secret = await mountedSecret(secretOf('the-first-password'));
  const trusted = `${one?.certificate}${two?.certificate}`;
  const own = await mountedSecret({
    crt: server?.certificate ?? '',
    key: server?.key ?? '',
    ca: trusted,
  });
  const [port] = await freePorts(1);
  const files = { cert: own.path('crt'), key: own.path('key'), 'ca-cert': own.path('ca') };
  const tls = Object.entries(files).flatMap(([name, path]) => [`--tls-${name}-file`, path]);
  const redis = await forTest(startRedis({ args: ['--tls-port', `${port}`, ...tls] }));
  // A connection stays authenticated.
  const admin = new Redis(redis.url);
  onTestFinished(() => admin.disconnect());
  await admin.config('SET', 'requirepass', 'the-first-password');
  const file = await configFile({
    mounts: [{ public: '/download/', internal: '/protected/' }],
    store: `rediss://127.0.0.1:${port}`,
    ...{ store_password_file: secret.path('password'), store_ca_file: secret.path('ca.crt') },
    ...{ store_cert_file: secret.path('tls.crt'), store_key_file: secret.path('tls.key') },
    store_server_name: 'redis.example',
  });
  const env = { POSTERN_CONFIG: file.path, POSTERN_API_KEYS: `web:${keyOf(1)}` };
  const service = await forTest(startService({ env }));
  const reported = (text: RegExp) => linesOf(service.stdout()).filter(({ msg }) => text.test(msg));
  const changed = () => reported(/was reloaded/).flatMap(({ changes }) => changes);

  const statuses = new Map<number, number>();
  const sent = async (more: number) => {
    const before = statuses.get(204) ?? 0;
    await waitFor(() => (statuses.get(204) ?? 0) >= before + more, { what: 'more requests' });
  };
  /** Those of Postern. */
  const connections = async () => {
    const list = String(await admin.call('CLIENT', 'LIST'));
    const own = String(await admin.client('ID'));
    return [...list.matchAll(/^id=(\d+)/gm)].map(([, id = '']) => id).filter((id) => id !== own);
  };
  let isEnded = false;
  const client = (async () => {
    while (!isEnded) {
      const json = { path: '/download/a', max_uses: 1 };
      const { status, body } = await askApi(service, 'POST /tokens', { json, key: keyOf(1) });
      for (const one of [status, (await askGate(service, body.url)).status])
        statuses.set(one, (statuses.get(one) ?? 0) + 1);
    }
  })();
  // Redis does not know the next password yet.
  await secret.replace(secretOf('the-second-password', two));
  const report = await waitFor(() => reported(/did not accept/)[0], { what: 'the report' });
  expect(report).toMatchObject({ level: 'error', reason: expect.stringContaining('WRONGPASS') });
  await admin.config('SET', 'requirepass', 'the-second-password');
  const old = await connections();
  await expect.poll(() => reported(/was reloaded/).length).toBeGreaterThan(1);
  expect(changed()).toEqual(
    expect.arrayContaining(['changed store_password_file', 'changed store_key_file']),
  );
  // Nothing uses the old connections any more.
  for (const id of old) await admin.call('CLIENT', 'KILL', 'ID', id);
  await sent(50);
  isEnded = true;
  await client;
  expect([...statuses.keys()].sort()).toEqual([201, 204]);
  expect(reported(/get 503/)).toEqual([]);
  expect(service.stdout() + service.stderr()).not.toMatch(/-password\b(?! or)/);
});
