import { expect, test } from 'vitest';
import { StoreUnavailable } from '../../service/domain/store.ts';
import { newToken, tokenId } from '../../service/domain/token.ts';
import { createDecider } from './decider.ts';

function failing(error: Error) {
  const find = () => Promise.reject(error);
  return createDecider({ store: { ...createDecider().store, find } });
}

test('a store that does not answer makes no token invalid', async () => {
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

test('nor does one that fails at the second of several cookies', async () => {
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

test('any other failure is left to the caller', async () => {
  const { authorize } = failing(new RangeError('a mistake'));
  await expect(authorize(`/download/a?token=${newToken()}`)).rejects.toThrow(RangeError);
});

test('a store that fails to redeem lets nobody pass', async () => {
  const redeem = () => Promise.reject(new StoreUnavailable('it is down'));
  const { issue, authorize } = createDecider({ store: { ...createDecider().store, redeem } });
  const { url } = await issue({ path: '/download/a', max_uses: 1 });
  for (const method of ['GET', 'HEAD']) {
    expect(await authorize(url, { method })).toMatchObject({ code: 'unavailable' });
  }
});

test('a store that fails to issue gives no token out', async () => {
  const issue = () => Promise.reject(new StoreUnavailable('it is down'));
  const decider = createDecider({ store: { ...createDecider().store, issue } });
  await expect(decider.issue({ path: '/download/a' })).rejects.toThrow(StoreUnavailable);
});
