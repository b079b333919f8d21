import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSign } from '../../../service/s3/sign.ts';
import { startReloadable, WEB } from '../../support/reloading.ts';

const LOCATION = {
  endpoint: 'https://s3.eu-central-1.amazonaws.com',
  region: 'eu-central-1',
  bucket: 'my-media',
};

/** The time in a signed query. */
const timeOf = (args: URLSearchParams) =>
  Date.parse(
    (args.get('X-Amz-Date') ?? '').replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'),
  );

test('reload: the next signature is by the credentials in the files, and an invalid file changes nothing', async () => {
  const service = await startReloadable();
  const { folder, write } = service.file;
  const [secret, session] = [join(folder, 'secret'), join(folder, 'session')];
  const storage = {
    ...{ type: 's3', ...LOCATION },
    ...{ secret_access_key_file: secret, session_token_file: session },
  };
  const configOf = (id: string) => ({
    mounts: [{ public: '/media/', internal: '/s3/', storage: { ...storage, access_key_id: id } }],
    api_keys: [WEB],
  });
  const put = async (n: number) => {
    await writeFile(secret, `the-secret-access-key-${n}\n`);
    await writeFile(session, `the-session-token-${n}\n`);
  };
  const argsOf = async (url: string) => {
    const headers = { 'X-Original-URI': url, 'X-Original-Method': 'GET' };
    const gate = `http://127.0.0.1:${service.gatePort}/auth-request`;
    return (await fetch(gate, { headers })).headers.get('postern-args') ?? '';
  };
  /** The signature that these credentials make at the same time. */
  const expected = (n: number, args: string) => {
    const credentials = {
      accessKeyId: `AKIA${n}`,
      secretAccessKey: `the-secret-access-key-${n}`,
      sessionToken: `the-session-token-${n}`,
    };
    const time = timeOf(new URLSearchParams(args));
    const location = { ...LOCATION, prefix: '', style: 'path' } as const;
    return createSign(location, credentials, () => time)('a.mp4').args;
  };

  await put(1);
  expect(await service.apply(configOf('AKIA1'))).toMatchObject({ level: 'info' });
  const { url } = (await (await service.issue({ path: '/media/a.mp4' })).json()) as { url: string };
  const first = await argsOf(url);
  expect(first).toBe(expected(1, first));

  await put(2);
  await write(configOf('AKIA2'));
  // Until the reload, nothing is read again.
  const before = await argsOf(url);
  expect(before).toBe(expected(1, before));
  expect(await service.reload()).toMatchObject({ changes: ['changed mounts /media/'] });
  const second = await argsOf(url);
  expect(second).toBe(expected(2, second));

  await writeFile(secret, 'the-secret-access-key-3\nand more\n');
  expect(await service.reload()).toMatchObject({
    level: 'error',
    errors: [{ field: 'mounts[0].storage.secret_access_key_file' }],
  });
  const third = await argsOf(url);
  expect(third).toBe(expected(2, third));
  expect(service.stdout() + service.stderr()).not.toMatch(/the-secret|the-session/);
});
