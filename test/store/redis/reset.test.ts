import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Store, StoreUnavailable } from '../../../service/token/store.ts';
import { waitFor } from '../../harness/wait.ts';
import { startFakeRedis } from '../../support/store/fake-redis.ts';
import { from, issueTo, newId } from '../../support/store/grants.ts';
import { answers, startProxied, storeAt } from '../../support/store/open-redis.ts';
import { startHoldingProxy } from '../../support/store/proxies.ts';

const started = () => startProxied(startHoldingProxy);

/** Starts a call in each of 300 turns of the event loop, with an event after a third, and counts the failures. */
async function failuresOf(call: (i: number) => Promise<unknown>, event: () => void) {
  const calls: Array<Promise<number>> = [];
  for (let i = 0; i < 300; i += 1) {
    if (i === 100) event();
    calls.push(
      call(i).then(
        () => 0,
        () => 1,
      ),
    );
    await turn();
  }
  return (await Promise.all(calls)).reduce((sum, failed) => sum + failed, 0);
}

test('reset: a reset connection fails no look-up', async () => {
  const { proxy, store } = await started();
  const id = await issueTo(store);
  const find = async (i: number) => {
    const found = await (i % 2 === 0 ? store.find(id) : store.find(id, 'timed'));
    expect(found.grant).toBeDefined();
  };
  expect(await failuresOf(find, proxy.reset)).toBe(0);
  expect(proxy.connections()).toBe(2);
});

test('reset: a use that may have been sent fails, and is not sent again', async () => {
  const { proxy, store } = await started();
  const id = await issueTo(store, { uses: { max: 2, resumeFor: 60 } });
  proxy.hold(/eval/i);
  const failed = expect(store.redeem(id, from(), true)).rejects.toBeInstanceOf(StoreUnavailable);
  await waitFor(proxy.isHolding, { what: 'the use to be sent' });
  proxy.reset();
  await failed;
  proxy.release();
  await answers(store);
  expect((await store.requesters(id)).total).toBe(1);
});

test('reset: on the new connection, the write of the check comes before the look-ups that wait', async () => {
  const redis = await startFakeRedis();
  const calls: Array<Promise<unknown>> = [];
  const { store } = storeAt(`redis://127.0.0.1:${redis.port}`, {
    onState(state) {
      if (state === 'down') calls.push(store.find(newId()), store.countAttempt(newId(), 10));
    },
  });
  await answers(store);
  const names: string[] = [];
  const { answer } = redis.state;
  redis.state.answer = (command) => {
    names.push(command[0] ?? '');
    return answer(command);
  };
  redis.cut();
  await expect.poll(() => calls.length, { message: 'the loss' }).toBeGreaterThan(0);
  await Promise.all(calls);
  const first = names.filter((name) => !['hello', 'client'].includes(name));
  expect(first[0]).toBe('set');
  expect(first).toContain('mget');
  expect(first).toContain('eval');
});

test('reset: after a reconnect was refused no call waits', async () => {
  const { redis, store } = await started();
  const calls = (given: Store) => [
    given.find(newId()),
    given.redeem(newId(), from(), true),
    issueTo(given),
  ];
  await redis.stop();
  await Promise.allSettled(calls(store));
  // Timers are frozen, so no call can wait for a reconnect or a time limit.
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  for (const failed of await Promise.allSettled(calls(store))) {
    expect(failed).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
  }
});
