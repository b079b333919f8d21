import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { decode, encode, type StringAnswer } from 'dns-packet';
import { expect, onTestFinished, test } from 'vitest';
import { startS3 } from '../../harness/s3.ts';
import { waitFor } from '../../harness/wait.ts';
import { forTest } from '../../support/for-test.ts';
import { START_MS, startBuiltSite } from './sites.ts';

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
