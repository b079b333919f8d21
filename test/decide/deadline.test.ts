import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { startDeadline } from '../../service/decide/deadline.ts';
import { KeysUnavailable, StoreUnavailable, Unavailable } from '../../service/token/store.ts';
import { newToken, tokenId } from '../../service/token/token.ts';
import { createDecider, issued, JWT } from './decider.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
});

test('deadline: a decision is late after its whole time, and not before', async () => {
  const onLate = vi.fn();
  const deadline = startDeadline(performance.now(), onLate, 1000);
  await vi.advanceTimersByTimeAsync(999);
  expect([onLate.mock.calls, deadline.late]).toEqual([[], undefined]);
  await vi.advanceTimersByTimeAsync(1);
  expect(onLate).toHaveBeenCalledExactlyOnceWith(expect.any(Unavailable));
  expect(deadline.late).toBeInstanceOf(Unavailable);
  expect(deadline.end()).toBe(false);
});

test('deadline: of many decisions, exactly those that do not end in time are late, once', async () => {
  const all = Array.from({ length: 300 }, (_, i) => ({ endsAfter: (i * 7919) % 2000, late: 0 }));
  all.forEach((one, began) => {
    setTimeout(() => {
      const deadline = startDeadline(performance.now(), () => one.late++, 1000);
      setTimeout(() => expect(deadline.end()).toBe(one.late === 0), one.endsAfter);
    }, began);
  });
  await vi.advanceTimersByTimeAsync(5000);
  for (const { endsAfter, late } of all) expect(late).toBe(endsAfter < 1000 ? 0 : 1);
});

function failing(error: Error) {
  const find = () => Promise.reject(error);
  return createDecider({ store: { ...createDecider().store, find } });
}

test('authorize: if the store does not answer, a token is unavailable and not invalid', async () => {
  const cause = new StoreUnavailable('it is down');
  const token = newToken();
  expect(await failing(cause).authorize(`/download/a?token=${token}`)).toEqual({
    allow: false,
    code: 'unavailable',
    id: tokenId(token),
    path: '/download/a',
    cause,
  });
});

test('authorize: a store that fails for the second cookie is unavailable', async () => {
  const cause = new StoreUnavailable('it is down');
  const { store, issue } = createDecider();
  const good = await issue({ path: '/download/a' });
  const [unknown, second] = [newToken(), newToken()];
  const find = (id: string) => (id === tokenId(second) ? Promise.reject(cause) : store.find(id));
  const { authorize } = createDecider({ store: { ...store, find } });
  const cookie = `${unknown} ${second} ${good.token}`;
  expect(await authorize('/download/a', { cookie })).toMatchObject({
    code: 'unavailable',
    id: tokenId(second),
  });
});

test('authorize: after the deadline no further cookie is looked up', async () => {
  const late = new Unavailable('too late');
  const deadline: { late: Unavailable | undefined; endsAt: number } = {
    late: undefined,
    endsAt: 0,
  };
  let asked = 0;
  const find = async () => {
    asked += 1;
    deadline.late = late;
    return undefined;
  };
  const { authorize } = createDecider({ store: { ...createDecider().store, find } });
  const cookie = `${newToken()} ${newToken()}`;
  await expect(authorize('/download/a', { cookie }, deadline)).rejects.toBe(late);
  expect(asked).toBe(1);
});

test('authorize: after the deadline no use is taken', async () => {
  const late = new Unavailable('too late');
  const { store, id, url } = await issued({ path: '/download/a', max_uses: 1 });
  const deadline: { late: Unavailable | undefined; endsAt: number } = {
    late: undefined,
    endsAt: 0,
  };
  const find = async (asked: string) => {
    deadline.late = late;
    return store.find(asked);
  };
  const { authorize } = createDecider({ store: { ...store, find } });
  expect(await authorize(url, {}, deadline)).toMatchObject({ code: 'unavailable', cause: late });
  expect(await store.requesters(id)).toEqual([]);
});

test('authorize: if the keys of one token are unavailable, the next cookie is tried', async () => {
  const cause = new KeysUnavailable('no answer');
  const { authorize, token } = await issued(
    { path: '/download/a' },
    { verify: () => Promise.reject(cause) },
  );
  expect(await authorize('/download/a', { cookie: `${JWT} ${token}` })).toMatchObject({
    allow: true,
  });
  expect(await authorize('/download/a', { cookie: `${JWT} ${newToken()}` })).toMatchObject({
    code: 'unavailable',
    cause,
  });
});

test('authorize: other errors are thrown to the caller', async () => {
  const { authorize } = failing(new RangeError('a mistake'));
  await expect(authorize(`/download/a?token=${newToken()}`)).rejects.toThrow(RangeError);
});

test('authorize: if the store fails to redeem, the request is denied', async () => {
  const redeem = () => Promise.reject(new StoreUnavailable('it is down'));
  const { authorize, url } = await issued(
    { path: '/download/a', max_uses: 1 },
    { store: { ...createDecider().store, redeem } },
  );
  for (const method of ['GET', 'HEAD']) {
    expect(await authorize(url, { method })).toMatchObject({ code: 'unavailable' });
  }
});

test('issue: if the store fails, no token is returned', async () => {
  const issue = () => Promise.reject(new StoreUnavailable('it is down'));
  const decider = createDecider({ store: { ...createDecider().store, issue } });
  await expect(decider.issue({ path: '/download/a' })).rejects.toThrow(StoreUnavailable);
});
