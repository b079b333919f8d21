import { rm } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { respondWith, startReceiver } from '../events/receiver.ts';
import { temporaryFolder } from '../harness/paths.ts';
import { startRedis } from '../harness/redis.ts';
import { waitFor } from '../harness/wait.ts';
import { type Instance, startInstance } from './instances.ts';

/** A Redis that keeps each write before it answers. */
async function keptRedis() {
  const folder = await temporaryFolder();
  const kept = ['--appendonly', 'yes', '--appendfsync', 'always'];
  const redis = await startRedis({ folder, args: kept });
  onTestFinished(async () => {
    await redis.stop();
    await rm(folder, { recursive: true });
  });
  return redis;
}

async function issueMany(instance: Instance, count: number): Promise<string[]> {
  const issued = await Promise.all(Array.from({ length: count }, () => instance.issue()));
  return issued.map(({ id }) => id);
}

test('webhooks: an instance is killed during deliveries: another one delivers all, with the same IDs', {
  timeout: 120_000,
}, async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const receiver = await startReceiver();
  // The receiver has the event, and the instance is killed before it gets the response.
  receiver.state.respond = () => {};
  const doomed = await startInstance(receiver.url, { POSTERN_STORE: redis.url });
  const issued = await issueMany(doomed, 30);
  await waitFor(() => receiver.state.atOnce === 8, { what: 'deliveries to hang' });
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
  await waitFor(() => answered > 20, { what: 'the first tokens' });
  await redis.kill();
  const issued = (await Promise.all(issuing)).filter((id) => id !== undefined);
  await redis.restart();
  await waitFor(async () => (await service.api('/readyz')).ok, { what: 'Redis' });
  issued.push((await service.issue()).id);
  await receiver.got(issued.length);
  const ids = new Set(receiver.received.map(({ data }) => data.token_id));
  expect([...ids].sort()).toEqual(issued.sort());
});

test('webhooks: SIGTERM waits for deliveries, and hands the others over at once', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
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
  await waitFor(() => slow.state.atOnce === 8, { what: 'deliveries to wait' });
  first.signal('SIGTERM');
  await waitFor(() => first.stdout().includes('"stopping'), { what: 'the end to begin' });
  const others = issued.length - waiting.length;
  for (const answer of waiting) answer();
  expect(await first.stop()).toEqual({ code: 0, signal: null });
  await startInstance(receiver.url, { POSTERN_STORE: redis.url });
  // Less than the lease of an instance that is gone.
  await waitFor(() => receiver.received.length === others, {
    what: 'the others',
    deadline: 20_000,
  });
  const seen = [...slow.received, ...receiver.received].map(({ data }) => data.token_id);
  expect([...new Set(seen)].sort()).toEqual([...issued].sort());
});
