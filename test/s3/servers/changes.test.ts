import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { decode, encode, type StringAnswer } from 'dns-packet';
import { expect, onTestFinished, test } from 'vitest';
import { launch } from '../../harness/process.ts';
import { startS3 } from '../../harness/s3.ts';
import { findTool } from '../../harness/tools.ts';
import { askGate } from '../../support/ask-service.ts';
import { docsBlock } from '../../support/docs/blocks.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { listening } from '../../support/postern.ts';
import { startReloadable, WEB } from '../../support/reloading.ts';
import { START_MS, startBuiltSite } from '../../support/storage-sites.ts';

test(
  'roles: the AWS CLI writes the credentials of a role as the page shows, and Postern reads each of them',
  async () => {
    const python = await findTool('python3-awscli');
    let count = 0;
    // The endpoint of a container's credentials: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    const answer: RequestListener = (_, response) => {
      count += 1;
      const secrets = {
        AccessKeyId: `ASIA${count}`,
        SecretAccessKey: 'QzSecretZq',
        Token: 'token',
      };
      const Expiration = new Date(Date.now() + 3_600_000).toISOString();
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...secrets, Expiration }));
    };
    const { port } = await forTest(listening(answer));
    const folder = await folderForTest();
    const credentials = join(folder, 'bucket.json');
    const loop = docsBlock('guides/object-store.md', 'export-credentials');
    expect(loop).toContain('sleep 600');
    // Postern reads a file that stays the same for two seconds.
    const script = loop.replace('sleep 600', 'sleep 8');
    const role = await forTest(
      launch({
        ...{ name: 'role', path: 'bash', cwd: folder },
        args: ['-c', `aws() { "${python.path}" -m awscli "$@"; }\n${script}`],
        env: {
          ...{ PATH: process.env.PATH, HOME: folder, ...python.env },
          AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/role`,
        },
      }),
    );
    await role.ready(() => existsSync(credentials), { what: 'the first credentials' });
    expect((await stat(credentials)).mode & 0o777).toBe(0o600);
    const storage = { type: 's3', endpoint: 'https://s3.example', region: 'auto', bucket: 'media' };
    const mounts = [{ public: '/media/', internal: '/s3/', storage: { ...storage, credentials } }];
    const service = await startReloadable({ mounts, api_keys: [WEB] });
    const issued = await service.issue({ path: '/media/a.mp4', expires_in: 600 });
    const { url } = issued.body;
    const signer = async () => {
      const args = new URLSearchParams(
        (await askGate(service, url)).headers.get('postern-args') ?? '',
      );
      expect(args.get('X-Amz-Security-Token')).toBe('token');
      return args.get('X-Amz-Credential')?.split('/', 1)[0];
    };
    const first = await signer();
    expect(first).toMatch(/^ASIA\d+$/);
    await expect.poll(() => signer(), { message: 'the next credentials' }).not.toBe(first);
  },
  START_MS,
);

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
    await expect.poll(async () => (await ask())[1]).toBe('the second storage');
    expect(new Set(asked)).toEqual(new Set([`${HOST}:${s3.port}`]));
    dns.address = undefined;
    await expect.poll(async () => (await ask())[0]).toBe(503);
    dns.address = '127.0.0.1';
    await expect.poll(async () => (await ask())[1]).toBe('the first storage');
  },
  START_MS,
);
