import { expect, onTestFinished, test, vi } from 'vitest';
import { createState } from '../../service/store/connection/connection.ts';
import { StoreUnavailable } from '../../service/token/store.ts';

function started() {
  const writes: Array<() => void> = [];
  const infos = vi.fn(async () => ['redis_version:7.2.0']);
  const onState = vi.fn();
  const state = createState(
    { url: 'redis://127.0.0.1:1', timeoutMs: 100, onState },
    () => new Promise<void>((resolve) => writes.push(resolve)),
    {
      infos,
      failureOf: (error) => error as never,
      answering: () => ['127.0.0.1:1'],
      isOpen: () => false,
      isKnown: () => false,
      reconnect: () => {},
    },
  );
  onTestFinished(() => state.close());
  return { state, writes, infos, onState };
}

test('connection: a check of a lost connection does not count for the next one', async () => {
  const { state, writes, infos, onState } = started();
  const late = state.check();
  state.down();
  const next = state.check();
  writes[0]?.();
  await late;
  expect(onState.mock.calls).toEqual([['down', undefined]]);
  expect(infos).toHaveBeenCalledTimes(2);
  writes[1]?.();
  await next;
  expect(onState.mock.calls).toEqual([['down', undefined], ['up']]);
});

test('connection: a reply that is older than a refusal does not end the refusal', async () => {
  const { state, writes } = started();
  const why = new StoreUnavailable('READONLY');
  const before = state.check();
  writes[0]?.();
  state.refuse(why);
  await before;
  expect(() => state.assertMaster()).toThrow(why);
  const after = state.check();
  writes[1]?.();
  await after;
  expect(() => state.assertMaster()).not.toThrow();
});
