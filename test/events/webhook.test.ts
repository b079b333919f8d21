import type { LookupFunction } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import {
  AddressRefused,
  createWebhookSend,
  isPublic,
  signatureHeaders,
} from '../../service/events/webhook.ts';
import { tcpForTest } from '../support/for-test.ts';
import { OTHER_SECRET, respondWith, SECRET, startReceiver } from '../support/receiver.ts';

const bytesOf = (secret: string) => Buffer.from(secret.slice('whsec_'.length), 'base64');
const EVENT = { id: 'msg_1', body: '{"type":"token.issued","timestamp":"t","data":{"path":"/ä"}}' };
const secrets = [bytesOf(SECRET)];
const allow = ['127.0.0.1'];
const sendTo = (url: string, more?: Parameters<typeof createWebhookSend>[1]) =>
  createWebhookSend({ url, secrets, allow }, more);

test('webhooks: each secret signs an event, so that a receiver with any of them accepts it', () => {
  const headers = signatureHeaders('msg_1', EVENT.body, [SECRET, OTHER_SECRET].map(bytesOf));
  const sent = Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, String(v)]));
  for (const secret of [SECRET, OTHER_SECRET]) {
    expect(new Webhook(secret).verify(EVENT.body, sent)).toMatchObject({ type: 'token.issued' });
  }
  const third = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
  expect(() => new Webhook(third).verify(EVENT.body, sent)).toThrow('No matching signature');
  expect(() => new Webhook(SECRET).verify(`${EVENT.body} `, sent)).toThrow();
});

test('webhooks: a 2xx response is a delivery, and connections are kept', async () => {
  const { url, received, state } = await startReceiver();
  const send = sendTo(url);
  for (const status of [200, 204, 299]) {
    state.respond = respondWith(status);
    await send(EVENT);
  }
  expect(received.map(({ body }) => body)).toEqual([EVENT.body, EVENT.body, EVENT.body]);
  expect(received[0]?.headers).toMatchObject({
    'content-type': 'application/json',
    'webhook-id': 'msg_1',
  });
  expect(state.connections).toBe(1);
});

test.each([301, 302, 307, 308, 400, 404, 410, 500, 503])(
  'webhooks: status %i is a failure, and a redirect is not followed',
  async (status) => {
    const { url, received, state } = await startReceiver();
    state.respond = respondWith(status, { Location: `${url}/elsewhere` });
    await expect(sendTo(url)(EVENT)).rejects.toThrow(`status ${status}`);
    expect(received).toHaveLength(1);
  },
);

test('webhooks: a receiver that hangs is given up, before and after its headers', async () => {
  const { url, state } = await startReceiver();
  const send = sendTo(url, { timeoutMs: 100 });
  state.respond = () => {};
  await expect(send(EVENT)).rejects.toThrow('no complete response within 0.1 seconds');
  state.respond = (response) => void response.writeHead(200).write('a');
  await expect(send(EVENT)).rejects.toThrow('no complete response');
});

test('webhooks: of a long response no more than 64 KiB is read', async () => {
  const { url, state } = await startReceiver();
  let isClosed = false;
  state.respond = (response) => {
    response.writeHead(200);
    const more = () => void response.write(Buffer.alloc(16_384));
    const timer = setInterval(more, 1);
    response.on('close', () => {
      clearInterval(timer);
      isClosed = true;
    });
  };
  await sendTo(url, { timeoutMs: 600_000 })(EVENT);
  await expect.poll(() => isClosed).toBe(true);
});

test('webhooks: a receiver that closes the connection, or does not exist, is a failure', async () => {
  const { url, state, stop } = await startReceiver();
  state.respond = (response) => void response.destroy();
  await expect(sendTo(url)(EVENT)).rejects.toThrow(/hang up|ECONNRESET/);
  state.respond = (response) => {
    response.writeHead(200, { 'Content-Length': 9 });
    response.write('a', () => response.destroy());
  };
  const cutOff = 'it closed the connection before its response was complete';
  await expect(sendTo(url)(EVENT)).rejects.toThrow(cutOff);
  await stop();
  await expect(sendTo(url)(EVENT)).rejects.toThrow('ECONNREFUSED');
});

test.each([
  '0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1 172.31.255.255',
  '192.0.0.1 192.168.1.1 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255',
  ':: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 2001:db8::1 2002:7f00:1::1 2001:0:1::1',
  '::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:7f00:1 ::127.0.0.1 64:ff9b::7f00:1 ::ffff:0:127.0.0.1',
])('webhooks: these addresses are not public: %s', (list) => {
  for (const address of list.split(' ')) expect(isPublic(address), address).toBe(false);
});

test('webhooks: these addresses are public', () => {
  const list = '1.1.1.1 100.128.0.1 172.32.0.1 192.0.1.1 223.255.255.255 2606:4700::1 2a00::1';
  for (const address of [...list.split(' '), '::ffff:8.8.8.8']) {
    expect(isPublic(address), address).toBe(true);
  }
});

/** A TCP server on the loopback that counts connections. */
async function startTrap() {
  let connections = 0;
  const port = await tcpForTest((socket) => {
    connections += 1;
    socket.destroy();
  });
  return { port, connections: () => connections };
}

test.each(['127.0.0.1', '[::ffff:127.0.0.1]', '0x7f000001', '2130706433', 'localhost'])(
  'webhooks: %s is refused without a connection unless it is allowed',
  async (host) => {
    const { port, connections } = await startTrap();
    for (const allowed of [[], ['10.0.0.0/8']]) {
      const send = createWebhookSend({ url: `https://${host}:${port}/`, secrets, allow: allowed });
      await expect(send(EVENT)).rejects.toThrow(AddressRefused);
    }
    expect(connections()).toBe(0);
    const send = sendTo(`https://${host}:${port}/`);
    await expect(send(EVENT)).rejects.not.toThrow(AddressRefused);
    expect(connections()).toBe(1);
  },
);

const resolvedTo =
  (...addresses: readonly string[]): LookupFunction =>
  (_name, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

test('webhooks: plain HTTP is refused for a public address', async () => {
  const send = sendTo('http://app.example/', { resolve: resolvedTo('1.1.1.1') });
  await expect(send(EVENT)).rejects.toThrow(AddressRefused);
});

test('webhooks: with DNS rebinding, the connection goes only to the address that was checked', async () => {
  const { port, connections } = await startTrap();
  // Nothing listens at the allowed address, and the trap at the one that follows.
  const answers = ['127.0.0.2', '127.0.0.1', '::ffff:127.0.0.1', '127.0.0.1'];
  let asked = 0;
  const resolve: LookupFunction = (...question) => {
    asked += 1;
    resolvedTo(answers[asked - 1] ?? '127.0.0.1')(...question);
  };
  const url = `https://app.example:${port}/`;
  const send = createWebhookSend({ url, secrets, allow: ['127.0.0.2'] }, { resolve });
  await expect(send(EVENT)).rejects.toThrow('ECONNREFUSED');
  expect(asked).toBe(1);
  for (const _ of answers) await expect(send(EVENT)).rejects.toThrow(AddressRefused);
  expect(connections()).toBe(0);
});

test('webhooks: of several addresses of a name, only the allowed ones are used', async () => {
  const { port, received } = await startReceiver();
  const resolve = resolvedTo('127.0.0.2', '127.0.0.1');
  await sendTo(`http://app.example:${port}/`, { resolve })(EVENT);
  expect(received).toHaveLength(1);
});
