import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { decode, encode, type StringAnswer } from 'dns-packet';
import { expect, onTestFinished, test } from 'vitest';
import { createSign } from '../../../service/s3/sign.ts';
import { startS3 } from '../../harness/s3.ts';
import { waitFor } from '../../harness/wait.ts';
import { askGate } from '../../support/ask-service.ts';
import { forTest } from '../../support/for-test.ts';
import { startReloadable, WEB } from '../../support/reloading.ts';
import { START_MS, startBuiltSite, timeOf } from './sites.ts';

const ENDPOINT = 'https://s3.eu-central-1.amazonaws.com';
const LOCATION = { endpoint: ENDPOINT, region: 'eu-central-1', bucket: 'my-media' };

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
    const { headers } = await askGate(service, url);
    return headers.get('postern-args') ?? '';
  };
  /** The signature that these credentials make at the same time. */
  const expected = (n: number, args: string) => {
    const secrets = { secretAccessKey: `the-secret-access-key-${n}` };
    const credentials = { accessKeyId: `AKIA${n}`, ...secrets };
    const session = { sessionToken: `the-session-token-${n}` };
    const location = { ...LOCATION, prefix: '', style: 'path' } as const;
    const sign = createSign(location, { ...credentials, ...session }, () => timeOf(args));
    return sign('a.mp4').args;
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

const HOST = 'storage.example';

/** A DNS server whose answer for the host can change: an address, or no such name. */
async function startDns(address: string | undefined) {
  const socket = createSocket('udp4');
  const state = { address };
  socket.on('message', (message, { port, address: from }) => {
    const { id, questions = [] } = decode(message);
    const data = state.address;
    const isFound = questions[0]?.name === HOST && questions[0].type === 'A' && data !== undefined;
    const answers: StringAnswer[] = isFound ? [{ name: HOST, type: 'A', ttl: 1, data }] : [];
    // The last four bits of the flags are the code: 3 is NXDOMAIN.
    const flags = data === undefined ? 3 : 0;
    socket.send(encode({ id: id ?? 0, type: 'response', flags, questions, answers }), port, from);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  return Object.assign(state, { port: socket.address().port });
}

test(
  'postern nginx --resolver: nginx follows the address of the storage without a reload',
  async () => {
    const s3 = await forTest(startS3({ 'my-media': { 'a.txt': 'the first storage' } }));
    const asked: Array<string | undefined> = [];
    const second = createServer(({ headers }, response) => {
      asked.push(headers.host);
      response.end('the second storage');
    });
    second.listen(s3.port, '127.0.0.2');
    await once(second, 'listening');
    onTestFinished(() => void second.close());
    const dns = await startDns('127.0.0.1');
    const storage = { endpoint: `http://${HOST}:${s3.port}` };
    const words = ['--resolver', `127.0.0.1:${dns.port}`];
    const site = await forTest(startBuiltSite({ storage, words }));
    const url = site.nginx.url(await site.issue('--path', '/media/a.txt'));
    const ask = async () => {
      const response = await fetch(url);
      return [response.status, await response.text()];
    };

    expect(await ask()).toEqual([200, 'the first storage']);
    dns.address = '127.0.0.2';
    // nginx keeps an answer for its time to live, which is a second.
    await waitFor(async () => (await ask())[1] === 'the second storage', { what: 'the second' });
    expect(new Set(asked)).toEqual(new Set([`${HOST}:${s3.port}`]));
    dns.address = undefined;
    await waitFor(async () => (await ask())[0] === 503, { what: '503' });
    dns.address = '127.0.0.1';
    await waitFor(async () => (await ask())[1] === 'the first storage', { what: 'the first' });
  },
  START_MS,
);
