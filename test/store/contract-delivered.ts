import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ByteRange, type Delivery, MAX_RANGES } from '../../service/token/delivery.ts';
import { createAsked } from '../support/ask-api.ts';
import { runs } from '../support/runs.ts';
import { type Contracted, from, grantAt, newId } from '../support/store/grants.ts';

/** What one request sent: by default of a file with 100 bytes. */
export function sent(range: ByteRange | undefined, more: Partial<Delivery> = {}): Delivery {
  const bytes = range ? range[1] - range[0] : 0;
  const ranges = range ? [range] : [];
  return { requests: 1, bytes, first: 1000, last: 1000, size: 100, ranges, ...more };
}

/** The rules of a store for what nginx reports about a token. */
export function deliveredContract({ store, now, issue }: Contracted): void {
  /** Whether each delivery, one after the other, makes the file whole. */
  async function add(id: string, ...deliveries: readonly Delivery[]): Promise<boolean[]> {
    const wholes: boolean[] = [];
    for (const delivery of deliveries) {
      const { added } = await store.addDelivered([[id, delivery]]);
      wholes.push(added[0]?.completed !== undefined);
    }
    return wholes;
  }
  const delivered = (id: string) => store.delivered(id);

  test('delivery: sums requests and bytes, and keeps the first and the last time', async () => {
    const id = await issue();
    expect(await delivered(id)).toBeUndefined();
    await add(id, sent([10, 20], { first: 5000, last: 6000, requests: 2 }));
    await add(id, sent([50, 60], { first: 4000, last: 4500 }), sent(undefined, { last: 7000 }));
    const sums = { requests: 4, bytes: 20, size: 100, whole: false, first: 1000, last: 7000 };
    expect(await delivered(id)).toEqual(sums);
  });

  test('delivery: ranges that cover the file make it whole, once for a token', async () => {
    const id = await issue({ subject: 'ada' });
    expect(await add(id, sent([50, 100]), sent([0, 49]))).toEqual([false, false]);
    expect((await delivered(id))?.whole).toBe(false);
    expect((await store.addDelivered([[id, sent([40, 60])]])).added).toMatchObject([
      {
        ...{ id, client: 'web', mount: '/download/', bytes: 20 },
        completed: { covers: '/download/a', subject: 'ada' },
      },
    ]);
    expect((await delivered(id))?.whole).toBe(true);
    expect(await add(id, sent([0, 100]), sent([0, 100], { size: 200 }))).toEqual([false, false]);
    expect(await delivered(id)).toMatchObject({ requests: 5, whole: true, size: 200 });
  });

  test('delivery: of many simultaneous deliveries exactly one makes the file whole', async () => {
    const id = await issue();
    const entries = Array.from({ length: 50 }, (_, i) => [id, sent([2 * i, 2 * i + 2])] as const);
    const all = await Promise.all([...entries, ...entries].map((one) => store.addDelivered([one])));
    const added = all.flatMap((added) => added.added);
    expect(added.filter(({ completed }) => completed !== undefined)).toHaveLength(1);
    expect(await delivered(id)).toMatchObject({ requests: 100, bytes: 200, whole: true });
  });

  test('delivery: another size is another file, and an unknown size changes no range', async () => {
    const id = await issue();
    const wholes = await add(id, sent([0, 60]), sent([60, 90], { size: 90 }));
    const { size: _, ...unknown } = sent(undefined, { bytes: 7 });
    expect([...wholes, ...(await add(id, unknown))]).toEqual([false, false, false]);
    expect(await delivered(id)).toMatchObject({ size: 90, whole: false, bytes: 97 });
    expect(await add(id, sent([0, 60], { size: 90 }))).toEqual([true]);
  });

  test('delivery: an empty file is whole after one response', async () => {
    expect(await add(await issue(), sent(undefined, { size: 0 }))).toEqual([true]);
  });

  test('delivery: a prefix has a sum, and no size', async () => {
    const id = await issue({ covers: '/download/hls/' });
    expect(await add(id, sent([0, 100]), sent([0, 7], { size: 7 }))).toEqual([false, false]);
    const sums = { requests: 2, bytes: 107, first: 1000, last: 1000, whole: false };
    expect(await delivered(id)).toEqual(sums);
  });

  test('delivery: keeps a bounded number of ranges', async () => {
    const id = await issue();
    const size = 800;
    const everySecond = (first: number) => {
      return Array.from({ length: 400 }, (_, i): ByteRange => [2 * i + first, 2 * i + first + 1]);
    };
    const odd = everySecond(0);
    await add(id, ...odd.slice(0, 50).map((range) => sent(range, { size })));
    await add(id, sent([0, 1], { size, ranges: odd }));
    // Together they cover the file, but the ranges beyond the bound count as not sent.
    const rest = everySecond(1).slice(MAX_RANGES);
    const ranges: ByteRange[] = [[0, 2 * MAX_RANGES], ...rest];
    expect(await add(id, sent([0, 1], { size, ranges }))).toEqual([false]);
    expect(await add(id, sent([0, size], { size }))).toEqual([true]);
  });

  test('delivery: only a live grant is written and returned, in any mixture', async () => {
    const [live, other] = [await issue(), await issue({ client: 'other' })];
    const [revoked, unknown, external] = [await issue(), newId(), newId()];
    await store.revoke(revoked, 'web');
    await store.saveExternal(external, grantAt(now(), { external: true, uses: { resumeFor: 9 } }));
    await store.revoke(external, 'web');
    const ids = [unknown, live, revoked, other, external];
    const { added, ...rest } = await store.addDelivered(ids.map((id) => [id, sent([0, 50])]));
    // A cluster answers in any order.
    const clients = Object.fromEntries(added.map(({ id, client }) => [id, client]));
    expect(clients).toEqual({ [live]: 'web', [other]: 'other' });
    expect([added.length, rest]).toEqual([2, { unsent: [], lost: [] }]);
    for (const id of [unknown, revoked, external]) expect(await delivered(id)).toBeUndefined();
    expect(await store.find(external)).toEqual({ isRevoked: true });
    expect(await store.addDelivered([])).toEqual({ added: [], unsent: [], lost: [] });
  });

  test('max_bytes: ends the grant for decisions, and a prolonged one stays so', async () => {
    const id = await issue({ maxBytes: 100, covers: '/download/a/' });
    await add(id, sent([0, 99]));
    expect((await store.find(id)).grant).not.toHaveProperty('exhausted');
    await add(id, sent([0, 1]));
    expect((await store.find(id)).grant).toMatchObject({ maxBytes: 100, exhausted: true });
    await store.prolong(id, 'web', now() + 120_000);
    expect((await store.find(id)).grant).toMatchObject({ maxBytes: 100, exhausted: true });
    expect(await delivered(id)).toMatchObject({ bytes: 100 });
  });

  test('introspect: a token is inactive after its max_bytes, and can be shown and revoked', async () => {
    const { ask } = createAsked({ store, now, countsBytes: true });
    const json = { path: '/download/a', max_bytes: 100 };
    const { id, access_token: token } = (await ask('POST /tokens', { json })).body;
    const introspect = async () => (await ask('POST /introspect', { form: { token } })).body;
    await add(id, sent([0, 99]));
    expect(await introspect()).toMatchObject({ active: true, delivered: { bytes: 99 } });
    await add(id, sent([0, 1]));
    expect(await introspect()).toEqual({ active: false });
    expect((await ask(`GET /tokens/${id}`)).body.delivered.bytes).toBe(100);
    expect((await ask('POST /revoke', { form: { token } })).status).toBe(200);
    expect((await store.find(id)).grant).toBeUndefined();
  });

  test('delivery: counts beside the requesters, and neither changes the other', async () => {
    const id = await issue({ uses: { max: 1, resumeFor: 60 } });
    await add(id, sent([0, 10]));
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBe('new');
    await add(id, sent([10, 20]));
    expect((await store.requesters(id)).newest).toMatchObject([{ address: '192.0.2.1' }]);
    expect(await store.redeem(id, from('192.0.2.1'), true)).toBe('known');
    expect(await store.redeem(id, from('192.0.2.2'), true)).toBeUndefined();
    expect(await delivered(id)).toMatchObject({ requests: 2, bytes: 20 });
  });

  test('delivery: numbers stay exact up to the largest', async () => {
    const id = await issue();
    const large = 999_999_999_999_999;
    const size = large + 0;
    await add(id, sent([1, large], { size, first: 1_764_130_000_123, last: 1_764_130_000_124 }));
    for (let i = 0; i < 12; i += 1) await add(id, sent([1, large], { size }));
    const { MAX_SAFE_INTEGER: bytes } = Number;
    expect(await delivered(id)).toMatchObject({ bytes, size, last: 1_764_130_000_124 });
    expect(await add(id, sent([0, 1], { size }))).toEqual([true]);
  });

  test('delivery: any ranges make the file whole exactly when they cover it', async () => {
    const range = fc.tuple(fc.nat({ max: 20 }), fc.nat({ max: 20 })).map(([a, b]) => {
      return [Math.min(a, b), Math.max(a, b) + 1] as const;
    });
    const anyRanges = fc.array(range, { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(anyRanges, async (ranges) => {
        const id = await issue();
        const wholes = await add(id, ...ranges.map((one) => sent(one, { size: 21 })));
        const seen = new Set<number>();
        const expected = ranges.map(([from, to]) => {
          const before = seen.size;
          for (let byte = from; byte < to; byte += 1) seen.add(byte);
          return seen.size === 21 && before < 21;
        });
        expect(wholes).toEqual(expected);
      }),
      { numRuns: runs(30) },
    );
  });
}
