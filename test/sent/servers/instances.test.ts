import { createSocket } from 'node:dgram';
import { rm } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../harness/paths.ts';
import { freePorts } from '../../harness/ports.ts';
import { startRedis } from '../../harness/redis.ts';
import { startService } from '../../harness/service.ts';
import { waitFor } from '../../harness/wait.ts';
import { forTest } from '../../support/for-test.ts';
import { KEY } from '../../support/postern.ts';
import { samplesOf } from '../../support/samples.ts';

const ENV = { POSTERN_MOUNTS: '/download/=/protected/', POSTERN_API_KEYS: `web:${KEY}` };

/** The service as users run it, with a port for lines of nginx. */
async function startInstance(store: string) {
  const [port = 0] = await freePorts(1);
  const service = await startService({
    env: {
      ...ENV,
      POSTERN_STORE: store,
      POSTERN_STORE_TIMEOUT_MS: '2000',
      POSTERN_DELIVERY_LISTEN: `127.0.0.1:${port}`,
    },
  });
  onTestFinished(() => void service.stop());
  const ask = async (path: string, body?: object) => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
    const init = { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) };
    const response = await fetch(`http://127.0.0.1:${service.apiPort}${path}`, init);
    return response.json() as Promise<Record<string, unknown>>;
  };
  return { service, port, ask };
}

async function send(port: number, text: string): Promise<void> {
  const sender = createSocket('udp4');
  await new Promise((resolve) => sender.send(text, port, '127.0.0.1', resolve));
  sender.close();
}

test('delivery: two instances on one Redis count together, and one of them reports the whole file', async () => {
  const redis = await forTest(startRedis());
  const [one, other] = [await startInstance(redis.url), await startInstance(redis.url)];
  const { id } = await one.ask('/tokens', { path: '/download/a', expires_in: 300 });
  const delivered = async () => (await other.ask(`/tokens/${id}`)).delivered;
  const line = (range: string) => `<190>x: ${id} 206 50 50 bytes ${range}/100`;
  await send(one.port, line('0-49'));
  await send(other.port, line('50-99'));
  await waitFor(async () => ((await delivered()) as { whole?: boolean })?.whole, {
    what: 'the whole file',
  });
  expect(await delivered()).toMatchObject({ requests: 2, bytes: 100, size: 100, whole: true });
  const logs = () => one.service.stdout() + other.service.stdout();
  await waitFor(() => logs().includes('"msg":"delivered"'), { what: 'the log line' });
  await one.service.stop();
  await other.service.stop();
  expect(logs().match(/"msg":"delivered"/g)).toHaveLength(1);
});

test.each(['is killed and started again', 'hangs'])(
  'delivery: reports that come while Redis %s are counted once, for max_bytes too',
  async (how) => {
    const folder = await temporaryFolder();
    const args = ['--appendonly', 'yes', '--appendfsync', 'always'];
    const redis = await startRedis({ folder, args });
    onTestFinished(async () => {
      redis.resume();
      await redis.stop();
      await rm(folder, { recursive: true });
    });
    const { service, port, ask } = await startInstance(redis.url);
    const metric = async (name: string) => {
      const response = await fetch(`http://127.0.0.1:${service.apiPort}/metrics`);
      return samplesOf(await response.text()).get(name) ?? 0;
    };
    const lines = (result: string) => metric(`postern_delivery_lines_total{result="${result}"}`);
    await waitFor(async () => (await ask('/readyz')).status === 'ok', { what: 'the store' });
    const body = { prefix: '/download/', expires_in: 300, max_bytes: 100 };
    const issued = await Promise.all(Array.from({ length: 40 }, () => ask('/tokens', body)));
    const ids = issued.map(({ id }) => id as string);
    if (how === 'hangs') redis.pause();
    else await redis.kill();
    for (const id of ids) await send(port, `<190>x: ${id} 200 60 60 -`);
    const failures = 'postern_store_errors_total{operation="add_delivered"}';
    await waitFor(async () => (await metric(failures)) > 0, { what: 'the store to fail' });
    for (const id of ids) await send(port, `<190>x: ${id} 200 60 60 -`);
    if (how === 'hangs') redis.resume();
    else await redis.restart();
    await waitFor(async () => (await lines('counted')) + (await lines('dropped')) === 80, {
      what: 'all reports to be counted',
    });
    expect(await lines('dropped')).toBe(0);
    for (const id of ids) {
      const delivered = { requests: 2, bytes: 120 };
      expect(await ask(`/tokens/${id}`)).toMatchObject({ delivered });
    }
  },
);

test('delivery: max_bytes needs POSTERN_DELIVERY_LISTEN', async () => {
  const service = await startService({ env: ENV });
  onTestFinished(() => void service.stop());
  const response = await fetch(`http://127.0.0.1:${service.apiPort}/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ path: '/download/a', max_bytes: 10 }),
  });
  expect(response.status).toBe(400);
  expect(await response.text()).toContain('POSTERN_DELIVERY_LISTEN');
});

test('delivery: an address that is in use is named', async () => {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  const listen = `127.0.0.1:${socket.address().port}`;
  await expect(startService({ env: { ...ENV, POSTERN_DELIVERY_LISTEN: listen } })).rejects.toThrow(
    `postern cannot listen on ${listen}: another process listens on it. See POSTERN_DELIVERY_LISTEN.`,
  );
});
