import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { StoreAccess } from '../../../service/store/connection/url.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import { freePorts } from '../../harness/ports.ts';
import { startRedis } from '../../harness/redis.ts';
import { startSentinel } from '../../harness/redis-sentinel.ts';
import { selfSigned } from '../../support/certificate.ts';
import { answers, storeAt, tell, whyOf } from '../../support/store/open-redis.ts';

const NAME = 'redis.example';

type Tls = Omit<StoreAccess, 'url'>;

/** Certificates of the servers and of the client. The servers require the latter. */
const folder = await temporaryFolder();
afterAll(() => rm(folder, { recursive: true }));
const [own, client] = [selfSigned(NAME), selfSigned('postern.example')];
const tls: Tls = {
  ca: own.certificate,
  cert: client.certificate,
  key: client.key,
  serverName: NAME,
};
const files = {
  'tls-cert-file': await file('server.pem', own.certificate),
  'tls-key-file': await file('server.key', own.key),
  'tls-ca-cert-file': await file('clients.pem', client.certificate),
  'tls-auth-clients': 'yes',
};

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

async function started(args: string[] = []) {
  const [tlsPort = 0] = await freePorts(1);
  const settings = Object.entries({ ...files, 'tls-port': String(tlsPort) });
  const options = settings.flatMap(([name, value]) => [`--${name}`, value]);
  return { redis: await startRedis({ args: [...options, ...args] }), tlsPort };
}

const server = await started();
afterAll(server.redis.stop);
const url = `rediss://127.0.0.1:${server.tlsPort}`;

const opened = (url: string, tls: Tls) => storeAt(url, tls).store;

test('TLS: Postern checks the CA and the server name, and sends its certificate', async () => {
  await answers(opened(url, tls));
});

test.each<[string, (tls: Tls) => Tls, RegExp]>([
  ['another CA', (tls) => ({ ...tls, ca: tls.cert ?? '' }), /TLS to Redis fails/],
  ['another name', (tls) => ({ ...tls, serverName: 'other.example' }), /TLS to Redis fails/],
  [
    'no certificate of the client',
    ({ cert: _, key: __, ...tls }) => tls,
    /TLS to Redis fails|before it answers|does not answer/,
  ],
])('TLS: %s is reported', async (_, change, expected) => {
  const store = opened(url, change(tls));
  await expect.poll(() => whyOf(store), { message: 'the reason' }).toMatch(expected);
});

test('TLS: Postern uses it for the sentinels, too', async () => {
  const [tlsPort = 0] = await freePorts(1);
  const lines = Object.entries({ ...files, 'tls-port': String(tlsPort), 'tls-replication': 'yes' });
  const sentinel = await startSentinel(
    'redis',
    server.tlsPort,
    lines.map(([name, value]) => `${name} ${value}`),
  );
  onTestFinished(async () => void (await sentinel.running.stop()));
  await answers(opened(`rediss+sentinel://127.0.0.1:${tlsPort}/main`, tls));
  const plain = opened(`rediss+sentinel://127.0.0.1:${sentinel.port}/main`, tls);
  await expect.poll(() => whyOf(plain), { message: 'the reason' }).toMatch(/sentinel/);
});

test('TLS: Postern uses it for the nodes of a cluster', async () => {
  const enabled = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
  const { redis, tlsPort } = await started(enabled);
  onTestFinished(redis.stop);
  await tell(redis, 'CLUSTER ADDSLOTSRANGE 0 16383');
  await answers(opened(`rediss+cluster://127.0.0.1:${tlsPort}`, tls));
  // Several, because it depends on the order of two errors whether one of them goes on trying.
  for (let i = 0; i < 8; i += 1) {
    const other = { ...tls, serverName: 'b.example' };
    const store = opened(`rediss+cluster://127.0.0.1:${tlsPort}`, other);
    await expect.poll(() => whyOf(store), { message: 'the reason' }).toMatch(/TLS to Redis fails/);
  }
});
