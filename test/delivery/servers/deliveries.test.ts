import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startOnSockets } from '../../harness/on-sockets.ts';
import { freePorts, onFreePorts } from '../../harness/ports.ts';
import { startRedis } from '../../harness/redis.ts';
import { startService } from '../../harness/service.ts';
import { waitFor } from '../../harness/wait.ts';
import { askApi, ENV, serviceForTest } from '../../support/ask-service.ts';
import { downloader } from '../../support/clients/programs.ts';
import { type ReportingSite, startReportingSite } from '../../support/delivery.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { modes } from '../../support/site.ts';

const SIZE = 8_000_000;

describe.each(modes)('delivery: what clients download by %s', (mode) => {
  let site: ReportingSite;
  beforeAll(async () => {
    site = await startReportingSite({
      mode,
      files: { 'big.bin': randomBytes(SIZE) },
      server: 'http2 on;',
    });
  });
  afterAll(() => site.stop());

  test('an interrupted download is whole after it was resumed', async (context) => {
    const curl = await downloader('curl', context);
    const { id, url } = await site.issue({ path: '/download/big.bin', limit_rate: 4_000_000 });
    const file = join(await folderForTest(), 'big.bin');
    const download = { url: site.nginx.url(url), file };
    await curl.cut(download, 100_000);
    expect(await site.delivered(id, 1)).toMatchObject({ size: SIZE, whole: false });
    expect(await curl.resume(download)).toMatchObject({ code: 0 });
    expect(await site.delivered(id, 2)).toMatchObject({ requests: 2, whole: true });
  });

  test('over HTTP/2 the bytes are those of the body', async (context) => {
    const curl = await downloader('curl', context);
    const { id, url } = await site.issue({ path: '/download/big.bin' });
    const file = join(await folderForTest(), 'big.bin');
    const more = ['--http2-prior-knowledge'];
    const download = { url: site.nginx.url(url), file, more };
    expect(await curl.download(download)).toMatchObject({ code: 0 });
    expect(await site.delivered(id, 1)).toMatchObject({ bytes: SIZE, whole: true });
  });
});

/** The service as users run it, with a port for lines of nginx. */
async function startInstance(store: string) {
  const [port = 0] = await freePorts(1);
  const service = await serviceForTest({
    POSTERN_STORE: store,
    POSTERN_STORE_TIMEOUT_MS: '2000',
    POSTERN_DELIVERY_LISTEN: `127.0.0.1:${port}`,
  });
  const delivered = async (id: string) => (await service.api(`GET /tokens/${id}`)).body.delivered;
  return { ...service, port, delivered };
}

async function send(port: number, text: string): Promise<void> {
  const sender = createSocket('udp4');
  await new Promise((resolve) => sender.send(text, port, '127.0.0.1', resolve));
  sender.close();
}

test('delivery: two instances on one Redis count together, and one of them reports the whole file', async () => {
  const redis = await forTest(startRedis());
  const [one, other] = [await startInstance(redis.url), await startInstance(redis.url)];
  const { id } = await one.issue({ path: '/download/a', expires_in: 300 });
  await send(one.port, `<190>x: ${id} 206 50 50 bytes 0-49/100`);
  await send(other.port, `<190>x: ${id} 206 50 50 bytes 50-99/100`);
  await waitFor(async () => (await other.delivered(id))?.whole, { what: 'the whole file' });
  expect(await one.delivered(id)).toMatchObject({ requests: 2, bytes: 100, size: 100 });
  const logs = () => one.stdout() + other.stdout();
  await expect.poll(() => logs(), { message: 'the log line' }).toContain('"msg":"delivered"');
  await Promise.all([one.stop(), other.stop()]);
  expect(logs().match(/"msg":"delivered"/g)).toHaveLength(1);
});

test('delivery: processes share an inherited socket, and no report is lost while one is restarted', async () => {
  const redis = await forTest(startRedis());
  const { api, port, metrics, pids } = await onFreePorts(
    3,
    async ([api = 0, port = 0, metrics = 0]) => {
      const folder = await folderForTest();
      const sockets = {
        ...{ gate: `unix:${join(folder, 'gate.sock')}`, api: `127.0.0.1:${api}` },
        delivery: `udp:127.0.0.1:${port}`,
      };
      const env = {
        ...{ ...ENV, POSTERN_STORE: redis.url, POSTERN_STORE_TIMEOUT_MS: '10000' },
        POSTERN_METRICS_LISTEN: `127.0.0.%i:${metrics}`,
      };
      const service = await forTest(startOnSockets(sockets, env, 2));
      const listening = () => service.stdout().split('"listening"').length === 3;
      await service.ready(listening, { what: 'both to listen' });
      return { ...service, api, port, metrics };
    },
  );
  const json = { path: '/download/a', expires_in: 300 };
  const { id } = (await askApi({ apiPort: api }, 'POST /tokens', { json })).body;
  const reports = async (count: number) => {
    for (let i = 0; i < count; i += 1) await send(port, `<190>x: ${id} 200 10 10 -`);
  };
  await reports(50);
  const [first] = pids();
  process.kill(first as number, 'SIGTERM');
  await reports(50);
  await expect.poll(() => pids()[0], { message: 'the next start' }).not.toBe(first);
  await reports(50);
  // The other process has read all reports, and waits for the next one without blocking.
  for (const host of ['127.0.0.1', '127.0.0.2']) {
    const answers = () =>
      fetch(`http://${host}:${metrics}/livez`, { signal: AbortSignal.timeout(1000) }).catch(
        () => false,
      );
    await waitFor(answers, { what: `${host} to answer` });
  }
  const requests = async () =>
    (await askApi({ apiPort: api }, `GET /tokens/${id}`)).body?.delivered?.requests;
  await expect.poll(() => requests(), { message: 'all reports' }).toBe(150);
});

test.each(['is killed and started again', 'hangs'])(
  'delivery: reports that come while Redis %s are counted once, for max_bytes too',
  async (how) => {
    const folder = await folderForTest();
    const args = ['--appendonly', 'yes', '--appendfsync', 'always'];
    const redis = await forTest(startRedis({ folder, args }));
    onTestFinished(() => redis.resume());
    const { port, issue, delivered, metric } = await startInstance(redis.url);
    const lines = (result: string) => metric(`postern_deliveries_total{result="${result}"}`);
    const body = { prefix: '/download/', expires_in: 300, max_bytes: 100 };
    const issued = await Promise.all(Array.from({ length: 40 }, () => issue(body)));
    const ids = issued.map(({ id }) => id);
    if (how === 'hangs') redis.pause();
    else await redis.kill();
    for (const id of ids) await send(port, `<190>x: ${id} 200 60 60 -`);
    const failures = 'postern_store_errors_total{operation="add_delivered"}';
    await expect.poll(() => metric(failures), { message: 'the store to fail' }).toBeGreaterThan(0);
    for (const id of ids) await send(port, `<190>x: ${id} 200 60 60 -`);
    if (how === 'hangs') redis.resume();
    else await redis.restart();
    await waitFor(async () => (await lines('added')) + (await lines('dropped')) === 80, {
      what: 'all reports to be counted',
    });
    expect(await lines('dropped')).toBe(0);
    for (const id of ids) {
      expect(await delivered(id)).toMatchObject({ requests: 2, bytes: 120 });
    }
  },
);

test('delivery: an address that is in use is named', async () => {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  const listen = `127.0.0.1:${socket.address().port}`;
  await expect(startService({ env: { ...ENV, POSTERN_DELIVERY_LISTEN: listen } })).rejects.toThrow(
    `postern cannot listen on ${listen}: address already in use. See POSTERN_DELIVERY_LISTEN.`,
  );
});
