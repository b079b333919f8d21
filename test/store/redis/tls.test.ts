import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ServerConnector } from '../../../service/store/connection/library.ts';
import type { StoreTls } from '../../../service/store/connection/url.ts';
import { freePorts } from '../../harness/ports.ts';
import { startRedis } from '../../harness/redis.ts';
import { startSentinel } from '../../harness/redis-sentinel.ts';
import { waitFor } from '../../harness/wait.ts';
import { selfSigned } from '../../support/certificate.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { answers, storeAt, tell, whyOf } from '../open-redis.ts';

const NAME = 'redis.example';

/** Certificates of the servers and of the client, and the options of a server that requires the latter. */
async function certificates() {
  const folder = await folderForTest();
  const [server, client] = [selfSigned(NAME), selfSigned('postern.example')];
  const file = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  const files = {
    'tls-cert-file': await file('server.pem', server.certificate),
    'tls-key-file': await file('server.key', server.key),
    'tls-ca-cert-file': await file('clients.pem', client.certificate),
    'tls-auth-clients': 'yes',
  };
  const tls: StoreTls = {
    ca: server.certificate,
    cert: client.certificate,
    key: client.key,
    serverName: NAME,
  };
  return { files, tls };
}

async function started(args: string[] = []) {
  const { files, tls } = await certificates();
  const [port = 0] = await freePorts(1);
  const settings = Object.entries({ ...files, 'tls-port': String(port) });
  const options = settings.flatMap(([name, value]) => [`--${name}`, value]);
  const redis = await forTest(startRedis({ args: [...options, ...args] }));
  return { redis, files, tls, port };
}

const opened = (url: string, tls: StoreTls) => storeAt(url, { tls }).store;

test('TLS: Postern checks the CA and the server name, and sends its certificate', async () => {
  const { tls, port } = await started();
  await answers(opened(`rediss://127.0.0.1:${port}`, tls));
});

test.each<[string, (tls: StoreTls) => StoreTls, RegExp]>([
  ['another CA', (tls) => ({ ...tls, ca: tls.cert ?? '' }), /TLS to Redis fails/],
  ['another name', (tls) => ({ ...tls, serverName: 'other.example' }), /TLS to Redis fails/],
  [
    'no certificate of the client',
    ({ cert: _, key: __, ...tls }) => tls,
    /TLS to Redis fails|before it answers|does not answer/,
  ],
])('TLS: %s is reported', async (_, change, expected) => {
  const { tls, port } = await started();
  const store = opened(`rediss://127.0.0.1:${port}`, change(tls));
  await waitFor(async () => expected.test(await whyOf(store)), { what: 'the reason' });
});

test('TLS: Postern uses it for the sentinels, too', async () => {
  const { files, tls, port } = await started();
  const [tlsPort = 0] = await freePorts(1);
  const lines = Object.entries({ ...files, 'tls-port': String(tlsPort), 'tls-replication': 'yes' });
  const sentinel = await startSentinel(
    'redis',
    port,
    lines.map(([name, value]) => `${name} ${value}`),
  );
  onTestFinished(async () => void (await sentinel.running.stop()));
  await answers(opened(`rediss+sentinel://127.0.0.1:${tlsPort}/main`, tls));
  const plain = opened(`rediss+sentinel://127.0.0.1:${sentinel.port}/main`, tls);
  await waitFor(async () => /sentinel/.test(await whyOf(plain)), { what: 'the reason' });
});

test('TLS: Postern uses it for the nodes of a cluster', async () => {
  const enabled = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
  const { redis, tls, port } = await started(enabled);
  await tell(redis, 'CLUSTER ADDSLOTSRANGE 0 16383');
  await answers(opened(`rediss+cluster://127.0.0.1:${port}`, tls));
  const store = opened(`rediss+cluster://127.0.0.1:${port}`, { ...tls, serverName: 'b.example' });
  await waitFor(async () => /TLS to Redis fails/.test(await whyOf(store)), { what: 'the reason' });
});

// A TLS socket of Node.js can do that: once for a certificate, and then for an alert of the server.
test('TLS: a second error of one connection does not end the process', async () => {
  const { tls, port } = await started();
  const { ca, cert, key } = tls;
  const connector = new ServerConnector({
    host: '127.0.0.1',
    port,
    disconnectTimeout: 100,
    tls: { ca, cert, key, servername: NAME },
  });
  const stream = await connector.connect();
  const errors = [new Error('first'), new Error('second')];
  for (const error of errors) stream.emit('error', error);
  expect(connector.firstError).toBe(errors[0]);
  connector.disconnect();
});
