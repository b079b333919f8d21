import { expect, test } from 'vitest';
import { StoreUnavailable } from '../../service/domain/store.ts';
import { createAddDelivered } from '../../service/store/delivered.ts';
import { createKeys, slotOf } from '../../service/store/keys.ts';
import { sent } from './contract-delivered.ts';
import { newId } from './grants.ts';

const keys = createKeys('postern:');

/** The number of a master of three. */
const masterOf = (key: string) => String(slotOf(key) % 3);

const ofMaster = (ids: readonly string[], ...masters: string[]) =>
  ids.filter((id) => masters.includes(masterOf(keys.grant(id)))).sort();

/** Adds deliveries of 3000 tokens. `fails`: whether the script with these keys fails. */
async function added(
  isCluster: boolean,
  fails: (names: readonly string[], run: number) => boolean,
) {
  const ids = Array.from({ length: 3000 }, newId);
  const ran: string[] = [];
  let running = 0;
  let most = 0;
  const connection = { isCluster, masterOf: isCluster ? masterOf : () => '' };
  const add = createAddDelivered(connection, keys, async (_, names) => {
    const run = ran.push(names[0] ?? '');
    running += names.length / 2;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= names.length / 2;
    if (fails(names, run)) throw new StoreUnavailable('Command timed out');
    return names.filter((_, i) => i % 2 === 0).map(() => ['web', '/download/', '']);
  });
  const { counted, failed } = await add(ids.map((id) => [id, sent([0, 1])]));
  const idsOf = { counted: counted.map(({ id }) => id), failed: failed.map(([id]) => id) };
  return { ids, ran, most, counted: idsOf.counted.sort(), failed: idsOf.failed.sort() };
}

test('addDelivered: in a cluster, a master that hangs fails one batch, and only its own tokens', async () => {
  const { ids, ran, most, counted, failed } = await added(true, ([key = '']) => {
    return masterOf(key) === '1';
  });
  expect(failed).toEqual(ofMaster(ids, '1'));
  expect(counted).toEqual(ofMaster(ids, '0', '2'));
  // The timeout of one batch passes once for all of its tokens, which are asked together.
  expect(ran.filter((key) => masterOf(key) === '1')).toHaveLength(25);
  expect(most).toBe(3 * 25);
});

test('addDelivered: in a cluster, a token that fails stops no other', async () => {
  const { ids, counted, failed } = await added(true, (_, run) => run % 10 === 0);
  expect(failed).toHaveLength(300);
  expect([...counted, ...failed].sort()).toEqual(ids.sort());
});

test('addDelivered: a server that does not answer is asked once', async () => {
  const { ids, ran, counted, failed } = await added(false, () => true);
  expect([ran.length, counted, failed]).toEqual([1, [], ids.sort()]);
});
