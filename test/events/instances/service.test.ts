import { createSocket } from 'node:dgram';
import { writeFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { freePorts } from '../../harness/ports.ts';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { serviceForTest } from '../../support/ask-service.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { KEY } from '../../support/postern.ts';
import {
  OTHER_SECRET,
  respondWith,
  SECRET,
  secretFile,
  startInstance,
  startReceiver,
} from '../../support/receiver.ts';
import { CONFIG, startReloadable } from '../../support/reloading.ts';
import { keysOf } from '../../support/store/open-redis.ts';

/** A Redis that keeps each write before it answers. */
async function keptRedis() {
  const folder = await folderForTest();
  const kept = ['--appendonly', 'yes', '--appendfsync', 'always'];
  return forTest(startRedis({ folder, args: kept }));
}

type Instance = Awaited<ReturnType<typeof startInstance>>;

async function issueMany({ issue }: Instance, count: number): Promise<string[]> {
  const issued = await Promise.all(Array.from({ length: count }, () => issue()));
  return issued.map(({ id }) => id);
}

test('webhooks: an instance is killed during deliveries: another one delivers all, with the same IDs', {
  timeout: 120_000,
}, async () => {
  const redis = await forTest(startRedis());
  const receiver = await startReceiver();
  // The receiver has the event, and the instance is killed before it gets the response.
  receiver.state.respond = () => {};
  const doomed = await startInstance(receiver.url, { POSTERN_STORE: redis.url });
  const issued = await issueMany(doomed, 30);
  await expect.poll(() => receiver.state.atOnce, { message: 'deliveries to hang' }).toBe(8);
  process.kill(doomed.pid, 'SIGKILL');
  const inFlight = receiver.received.slice();
  receiver.state.respond = respondWith(204);
  const other = await startInstance(receiver.url, { POSTERN_STORE: redis.url });
  const ended = async () => {
    const age = await other.metric('postern_webhook_oldest_event_seconds');
    return age === 0 && receiver.ids().length >= issued.length + inFlight.length;
  };
  await waitFor(ended, { what: 'all deliveries', deadline: 90_000 });
  const ids = new Map(receiver.received.map(({ id, data }) => [id, data.token_id]));
  expect([...ids.values()].sort()).toEqual([...issued].sort());
  const twice = inFlight.map(({ id }) => receiver.received.filter((one) => one.id === id));
  for (const [first, second, ...more] of twice) {
    expect(second?.body).toBe(first?.body);
    expect(more).toEqual([]);
  }
});

test('webhooks: no event is lost while Redis is killed and started again', async () => {
  const redis = await keptRedis();
  const receiver = await startReceiver();
  const service = await startInstance(receiver.url, { POSTERN_STORE: redis.url });
  let answered = 0;
  const issuing = Array.from({ length: 300 }, async () => {
    const issued = await service.issue().catch(() => undefined);
    answered += 1;
    return issued?.id;
  });
  await expect.poll(() => answered, { message: 'the first tokens' }).toBeGreaterThan(20);
  await redis.kill();
  const issued = (await Promise.all(issuing)).filter((id) => id !== undefined);
  await redis.restart();
  await expect.poll(async () => (await service.api('GET /readyz')).status).toBe(200);
  issued.push((await service.issue()).id);
  await receiver.got(issued.length);
  const ids = new Set(receiver.received.map(({ data }) => data.token_id));
  expect([...ids].sort()).toEqual(issued.sort());
});

test('webhooks: SIGTERM waits for deliveries, and hands the others over at once', async () => {
  const redis = await forTest(startRedis());
  const receiver = await startReceiver();
  const slow = await startReceiver();
  let answers = 0;
  // Half of the requests are answered when the end has begun, and half never.
  slow.state.respond = (response) => {
    answers += 1;
    if (answers % 2 === 0) waiting.push(() => void response.writeHead(204).end());
  };
  const waiting: Array<() => void> = [];
  const first = await startInstance(slow.url, { POSTERN_STORE: redis.url });
  const issued = await issueMany(first, 30);
  await expect.poll(() => slow.state.atOnce, { message: 'deliveries to wait' }).toBe(8);
  first.signal('SIGTERM');
  await expect.poll(() => first.stdout(), { message: 'the end to begin' }).toContain('"stopping');
  const others = issued.length - waiting.length;
  for (const answer of waiting) answer();
  expect(await first.stop()).toEqual({ code: 0, signal: null });
  await startInstance(receiver.url, { POSTERN_STORE: redis.url });
  // Less than the lease of an instance that is gone.
  await expect.poll(() => receiver.received.length, { timeout: 20_000 }).toBe(others);
  const seen = [...slow.received, ...receiver.received].map(({ data }) => data.token_id);
  expect([...new Set(seen)].sort()).toEqual([...issued].sort());
});

test('events: two instances deliver each event once to a receiver that verifies it', async () => {
  const redis = await forTest(startRedis());
  const receiver = await startReceiver();
  const started = [0, 1].map(() => startInstance(receiver.url, { POSTERN_STORE: redis.url }));
  const [a, b] = (await Promise.all(started)) as [Instance, Instance];
  const token = await a.issue({ path: '/download/a', max_uses: 1 });
  expect(await b.gate(token.url)).toBe(204);
  expect(await a.gate(token.url, '192.0.2.8')).toBe(401);
  expect((await b.api(`DELETE /tokens/${token.id}`)).status).toBe(204);
  await Promise.all(Array.from({ length: 96 }, (_, i) => [a, b][i % 2]?.issue()));
  await receiver.got(100);
  await expect.poll(() => a.metric('postern_webhook_oldest_event_seconds')).toBe(0);
  expect(receiver.received).toHaveLength(100);
  const own = receiver.received.filter(({ data }) => data.token_id === token.id);
  expect(own.map(({ type }) => type).sort()).toEqual([
    ...['token.issued', 'token.redeemed', 'token.refused', 'token.revoked'],
  ]);
  const name = 'postern_webhook_attempts_total{result="delivered"}';
  const delivered = [await a.metric(name), await b.metric(name)];
  expect(delivered.reduce((sum, count) => sum + count)).toBe(100);
  expect(Math.min(...delivered)).toBeGreaterThan(0);
  const texts = receiver.received.map(({ body }) => body).join('');
  for (const secret of [token.access_token, KEY]) expect(texts).not.toContain(secret.slice(3));
  const keys = (await keysOf(redis)).filter((key) => key.includes('events'));
  const names = ['postern:{events}', 'postern:{events}:clock', 'postern:{events}:requesters'];
  expect(keys.sort()).toEqual(names);
});

test('events: a receiver that hangs delays no decision and no request to the API', async () => {
  const redis = await forTest(startRedis());
  const receiver = await startReceiver();
  receiver.state.respond = () => {};
  const service = await startInstance(receiver.url, { POSTERN_STORE: redis.url });
  await Promise.all(Array.from({ length: 40 }, () => service.issue()));
  await expect.poll(() => receiver.state.atOnce, { message: 'all slots to hang' }).toBe(8);
  for (let i = 0; i < 40; i += 1) {
    const { url } = await service.issue({ path: '/download/a', max_uses: 1 });
    expect(await service.gate(url)).toBe(204);
  }
  // If one of them waited for an attempt, which takes ten seconds, the test would time out.
  expect(receiver.state.maxAtOnce).toBe(8);
});

test('events: without settings nothing is written and nothing is sent', async () => {
  const redis = await forTest(startRedis());
  const store = { POSTERN_STORE: redis.url };
  const service = await serviceForTest(store);
  const { id } = await service.issue();
  await service.api(`DELETE /tokens/${id}`);
  await service.stop();
  expect(await keysOf(redis)).toEqual([]);
  // With types and without a webhook they are only stored, until the end of the process too.
  const stored = await serviceForTest({ ...store, POSTERN_EVENTS: 'token.issued' });
  await stored.issue();
  await stored.stop();
  const keys = (await keysOf(redis)).filter((key) => key.includes('events'));
  expect(keys).toEqual(['postern:{events}']);
});

test('events: token.delivered, once nginx has reported the whole file', async () => {
  const receiver = await startReceiver();
  const [port = 0] = await freePorts(1);
  const delivery = { POSTERN_DELIVERY_LISTEN: `127.0.0.1:${port}` };
  const env = { POSTERN_STORE: 'memory:', POSTERN_EVENTS: 'token.delivered', ...delivery };
  const service = await startInstance(receiver.url, env);
  const { id } = await service.issue({ path: '/download/a', subject: 'u' });
  const nginx = createSocket('udp4');
  onTestFinished(() => void nginx.close());
  const report = (from: number, to: number) => {
    const range = `bytes ${from}-${to - 1}/100`;
    nginx.send(`<190>Nov 26 12:00:00 nginx: ${id} 206 ${to - from} ${to - from} ${range}`, port);
  };
  report(0, 60);
  report(60, 100);
  await receiver.got(1);
  const data = { token_id: id, client: 'web', subject: 'u', path: '/download/a' };
  expect(receiver.received).toMatchObject([{ type: 'token.delivered', data }]);
});

test('events: an address that is not allowed is logged without the URL', async () => {
  const receiver = await startReceiver();
  const url = receiver.url.replace('/events', '/with-a-secret');
  const service = await startInstance(url, { POSTERN_WEBHOOK_ALLOW: '10.0.0.0/8' });
  await service.issue();
  await expect.poll(() => service.stdout()).toContain('POSTERN_WEBHOOK_ALLOW');
  expect(service.stdout()).not.toContain('with-a-secret');
  expect(receiver.received).toEqual([]);
});

test('webhooks: a reload changes the receiver, and a secret is rotated without a lost event', async () => {
  const [one, two] = [await startReceiver(), await startReceiver({ secret: OTHER_SECRET })];
  const file = await secretFile(SECRET);
  const config = (url: string) => ({
    ...CONFIG,
    webhook_url: url,
    webhook_secret_file: file,
    webhook_allow: ['127.0.0.1'],
  });
  const { apply, issue, stdout } = await startReloadable(config(one.url));
  await issue({ path: '/download/a' });
  await one.got(1);
  await writeFile(file, `${OTHER_SECRET}\n${SECRET}\n`);
  expect((await apply(config(one.url))).changes).toEqual(['changed webhook_secret_file']);
  await issue({ path: '/download/a' });
  await one.got(2);
  expect((await apply(config(two.url))).changes).toEqual(['changed webhook_url']);
  await issue({ path: '/download/a' });
  await two.got(1);
  expect((await apply(CONFIG)).changes).toContain('removed webhook_url');
  await issue({ path: '/download/a' });
  expect([one.received.length, two.received.length]).toEqual([2, 1]);
  for (const secret of [SECRET, OTHER_SECRET]) expect(stdout()).not.toContain(secret);
});
