import { once } from 'node:events';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { type Deadline, startDeadline } from '../../service/decide/deadline.ts';
import {
  KeysUnavailable,
  type Store,
  StoreUnavailable,
  Unavailable,
} from '../../service/token/store.ts';
import { newToken, tokenId } from '../../service/token/token.ts';
import { createDecider, issued, JWT } from '../support/decider.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
});

test('deadline: a decision is late after its whole time, and not before', async () => {
  const onLate = vi.fn();
  const deadline = startDeadline(onLate, 1000);
  await vi.advanceTimersByTimeAsync(999);
  expect([onLate.mock.calls, deadline.late]).toEqual([[], undefined]);
  await vi.advanceTimersByTimeAsync(1);
  expect(onLate).toHaveBeenCalledExactlyOnceWith(expect.any(Unavailable));
  expect(deadline.late).toBeInstanceOf(Unavailable);
  expect(deadline.end()).toBe(false);
});

test('deadline: after a pause of the process, a reply that has arrived counts', async () => {
  vi.useRealTimers();
  const onLate = vi.fn();
  const deadline = startDeadline(onLate, 1);
  const { port1, port2 } = new MessageChannel();
  port1.postMessage('reply');
  const replied = once(port2, 'message');
  const until = performance.now() + 20;
  while (performance.now() < until);
  await replied;
  port2.close();
  expect([deadline.end(), onLate.mock.calls]).toEqual([true, []]);
});

test('deadline: of many decisions, exactly those that do not end in time are late, once', async () => {
  const all = Array.from({ length: 300 }, (_, i) => ({ endsAfter: (i * 7919) % 2000, late: 0 }));
  all.forEach((one, began) => {
    setTimeout(() => {
      const deadline = startDeadline(() => one.late++, 1000);
      setTimeout(() => expect(deadline.end()).toBe(one.late === 0), one.endsAfter);
    }, began);
  });
  await vi.advanceTimersByTimeAsync(5000);
  for (const { endsAfter, late } of all) expect(late).toBe(endsAfter < 1000 ? 0 : 1);
});

const down = new StoreUnavailable('it is down');
const fail = () => Promise.reject(down);

test('authorize: if the store does not answer, a token is unavailable and not invalid', async () => {
  const { authorize } = createDecider({ store: { ...createDecider().store, find: fail } });
  const token = newToken();
  expect(await authorize(`/download/a?token=${token}`)).toEqual({
    ...{ allow: false, code: 'unavailable', id: tokenId(token), path: '/download/a', cause: down },
  });
});

test('authorize: a store that fails for the second cookie is unavailable', async () => {
  const { store, issue } = createDecider();
  const good = await issue({ path: '/download/a' });
  const [unknown, second] = [newToken(), newToken()];
  const find = (id: string) => (id === tokenId(second) ? fail() : store.find(id));
  const { authorize } = createDecider({ store: { ...store, find } });
  const cookie = `${unknown} ${second} ${good.token}`;
  const unavailable = { code: 'unavailable', id: tokenId(second) };
  expect(await authorize('/download/a', { cookie })).toMatchObject(unavailable);
});

/** A decision whose deadline passes during the look-up. */
function late(store: Store) {
  const passed = new Unavailable('too late');
  const deadline: { late?: Unavailable; endsAt: number } = { endsAt: 0 };
  const find = vi.fn((id: string) => {
    deadline.late = passed;
    return store.find(id);
  });
  const { authorize } = createDecider({ store: { ...store, find } });
  const ask = (uri: string, more = {}) => authorize(uri, more, deadline as Deadline);
  return { passed, find, ask };
}

test('authorize: after the deadline no further cookie is looked up', async () => {
  const { passed, find, ask } = late(createDecider().store);
  const cookie = `${newToken()} ${newToken()}`;
  await expect(ask('/download/a', { cookie })).rejects.toBe(passed);
  expect(find).toHaveBeenCalledOnce();
});

test('authorize: after the deadline no use is taken', async () => {
  const { store, id, url } = await issued({ path: '/download/a', max_uses: 1 });
  const { passed, ask } = late(store);
  expect(await ask(url)).toMatchObject({ code: 'unavailable', cause: passed });
  expect((await store.requesters(id)).total).toBe(0);
});

test('authorize: if the keys of one token are unavailable, the next cookie is tried', async () => {
  const cause = new KeysUnavailable('no answer');
  const verify = () => Promise.reject(cause);
  const { authorize, token } = await issued({ path: '/download/a' }, { verify });
  const withCookie = (cookie: string) => authorize('/download/a', { cookie: `${JWT} ${cookie}` });
  expect(await withCookie(token)).toMatchObject({ allow: true });
  expect(await withCookie(newToken())).toMatchObject({ code: 'unavailable', cause });
});

test('authorize: if the store fails to redeem, the request is denied', async () => {
  const store = { ...createDecider().store, redeem: fail };
  const { authorize, url } = await issued({ path: '/download/a', max_uses: 1 }, { store });
  for (const method of ['GET', 'HEAD']) {
    expect(await authorize(url, { method })).toMatchObject({ code: 'unavailable' });
  }
});
