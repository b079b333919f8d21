import { expect, test } from 'vitest';
import type { Grant } from '../../service/token/grant.ts';
import type { Entry, Selection } from '../../service/token/store.ts';
import { grantAt, newId, type Opened } from './grants.ts';

/** Two paths whose index is the same in Redis, and which therefore must be separated when it is read. */
const SAME_CHECKSUM = ['/download/995', '/download/3240'] as const;

/** The rules of every store for the grants of a client. */
export function clientContract(get: () => Opened): void {
  /** Issues grants that end in this order. */
  async function issue(client: string, grants: ReadonlyArray<Partial<Grant>>) {
    const { store, now } = get();
    const entries = grants.map((more, i): Entry => {
      return [newId(), grantAt(now(), { client, expiresAt: now() + 60_000 + 1000 * i, ...more })];
    });
    await store.issue(entries);
    return entries;
  }

  async function listed(client: string, selection: Selection, limit = 1000): Promise<Entry[]> {
    const entries: Entry[] = [];
    let page = await get().store.list(client, selection, limit);
    entries.push(...page.entries);
    while (page.next !== undefined) {
      page = await get().store.list(client, selection, limit, page.next);
      entries.push(...page.entries);
    }
    return entries;
  }

  test('list: all grants of a client, those for a path, and those of a subject for a path', async () => {
    const client = newId();
    const [a, folder] = ['/download/a', '/download/a/'];
    const entries = await issue(client, [
      { covers: a, subject: 'ada' },
      { covers: folder },
      { covers: '/download/b', subject: 'ada' },
      { covers: a },
      { covers: a, subject: 'bob' },
    ]);
    await issue(newId(), [{ covers: a, subject: 'ada' }]);
    const expected: Array<[Selection, number[]]> = [
      [{}, [0, 1, 2, 3, 4]],
      [{ covers: a }, [0, 3, 4]],
      [{ covers: folder }, [1]],
      [{ covers: '/download/' }, []],
      [{ subject: 'ada', covers: a }, [0]],
      [{ subject: 'ada' }, [0, 2]],
    ];
    for (const [selection, wanted] of expected) {
      for (const limit of [1, 2, 1000]) {
        const inOrder = wanted.map((i) => entries[i]);
        expect(await listed(client, selection, limit)).toEqual(inOrder);
      }
    }
    expect(await get().store.list(newId(), {}, 10)).toEqual({ entries: [] });
  });

  test('list: paths whose checksum is the same are listed separately', async () => {
    const client = newId();
    const entries = await issue(
      client,
      SAME_CHECKSUM.map((covers) => ({ covers })),
    );
    for (const [i, covers] of SAME_CHECKSUM.entries()) {
      expect(await listed(client, { covers })).toEqual([entries[i]]);
    }
  });

  test('list: a prolonged grant is sorted by its new end, and a revoked one is not listed', async () => {
    const client = newId();
    const [first, second, third] = await issue(client, [{}, {}, {}]);
    const { store, now } = get();
    await store.prolong(first?.[0] ?? '', client, now() + 120_000);
    await store.revoke(second?.[0] ?? '', client);
    for (const selection of [{}, { covers: '/download/a' }]) {
      const ids = (await listed(client, selection)).map(([id]) => id);
      expect(ids).toEqual([third?.[0], first?.[0]]);
    }
  });

  test('revokeClient: revokes all grants of the client, and only those', async () => {
    const [client, other] = [newId(), newId()];
    const uses = { max: 1, resumeFor: 60 };
    const entries = await issue(client, [
      { subject: 'ada' },
      { covers: '/download/a/' },
      { uses },
      { signedUntil: get().now() + 90_000 },
    ]);
    const others = await issue(other, [{ subject: 'ada' }, {}]);
    const { store, now } = get();
    const [id = ''] = entries[1] ?? [];
    await store.prolong(id, client, now() + 120_000);
    await store.redeem(entries[2]?.[0] ?? '', { cookies: [], newCookie: newId() }, true);
    expect(await store.revokeClient(newId())).toBe(0);
    expect(await store.revokeClient(client)).toBe(4);
    for (const [revoked] of entries) expect(await store.find(revoked)).toBeUndefined();
    for (const selection of [{}, { subject: 'ada' }, { covers: '/download/a' }]) {
      expect(await listed(client, selection)).toEqual([]);
    }
    expect(await store.prolong(id, client, now() + 120_000)).toBeUndefined();
    expect(await listed(other, {})).toEqual(others);
    const [later] = await issue(client, [{}]);
    expect(await listed(client, {})).toEqual([later]);
    expect(await store.revokeClient(client)).toBe(1);
  });

  test('revokeClient: an expired grant is not counted', async () => {
    const client = newId();
    const { store, now, pass } = get();
    await issue(client, [{ expiresAt: now() - 5 }, {}]);
    await pass(2);
    expect(await store.revokeClient(client)).toBe(1);
  });
}
