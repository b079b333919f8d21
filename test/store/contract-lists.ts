import { expect, test } from 'vitest';
import { nextTurn } from '../../service/pieces.ts';
import type { Grant } from '../../service/token/grant.ts';
import type { Cursor, Entry, Selection } from '../../service/token/store.ts';
import { type Contracted, from, grantAt, newId } from '../support/store/grants.ts';

/** Two paths whose index is the same in Redis, and which therefore must be separated when it is read. */
const SAME_CHECKSUM = ['/download/995', '/download/3240'] as const;

/** The rules of every store for the grants of a subject or a client. */
export function listsContract({ store, now, pass }: Contracted): void {
  /** Issues grants that end in this order. */
  async function issue(client: string, grants: ReadonlyArray<Partial<Grant>>) {
    const entries = grants.map((more, i): Entry => {
      return [newId(), grantAt(now(), { client, expiresAt: now() + 60_000 + 1000 * i, ...more })];
    });
    for (let i = 0; i < entries.length; i += 1000) await store.issue(entries.slice(i, i + 1000));
    return entries;
  }

  /** Issues a grant for each of the ends, milliseconds from now. */
  const issueEnding = (subject: string, ends: readonly number[], client = 'web') =>
    issue(
      client,
      ends.map((end) => ({ subject, expiresAt: now() + end })),
    );

  /** All pages, and how long each was. */
  async function listed(client: string, selection: Selection, limit = 1000) {
    const entries: Entry[] = [];
    const lengths: number[] = [];
    let after: Cursor | undefined;
    do {
      const page = await store.list(client, selection, limit, after);
      entries.push(...page.entries);
      lengths.push(page.entries.length);
      after = page.next;
    } while (after !== undefined);
    return { entries, lengths };
  }

  test('list: 1000 grants with the same end are each listed once', async () => {
    const subject = newId();
    const entries = await issueEnding(subject, Array(1000).fill(60_000));
    const { entries: found, lengths } = await listed('web', { subject }, 300);
    expect(lengths).toEqual([300, 300, 300, 100]);
    expect(new Map(found)).toEqual(new Map(entries));
  });

  test('list: the next page is right after its last entry was revoked or prolonged', async () => {
    const subject = newId();
    const entries = await issueEnding(subject, [10_000, 20_000, 30_000, 40_000, 50_000]);
    const first = await store.list('web', { subject }, 2);
    await store.revoke(entries[1]?.[0] ?? '', 'web');
    const second = await store.list('web', { subject }, 1, first.next);
    expect(second.entries).toEqual([entries[2]]);
    await store.prolong(entries[2]?.[0] ?? '', 'web', now() + 90_000);
    const third = await store.list('web', { subject }, 2, second.next);
    expect(third.entries).toEqual([entries[3], entries[4]]);
  });

  test('list: a resumable grant is sorted by its latest end', async () => {
    const subject = newId();
    const uses = { max: 1, resumeFor: 60, requesters: [] };
    const entries = [10_000, 60_000, 80_000].map((end, i): Entry => {
      const more = { subject, expiresAt: now() + end, ...(i === 0 && { uses }) };
      return [newId(), grantAt(now(), more)];
    });
    await store.issue(entries);
    const inOrder = [1, 0, 2].map((i) => entries[i]?.[0]);
    for (const limit of [1, 10]) {
      expect((await listed('web', { subject }, limit)).entries.map(([id]) => id)).toEqual(inOrder);
    }
  });

  /** Each way to revoke many grants: what the grants have, and the revocation. */
  const WAYS = ['subject', 'client'] as const;

  function selected(way: (typeof WAYS)[number]) {
    const [client, subject] = way === 'client' ? [newId(), 'u'] : ['web', newId()];
    return {
      issueAll: (ends: readonly number[]) => issueEnding(subject, ends, client),
      list: () => listed(client, { subject }),
      revoke: () => store.revokeAll(client, way === 'client' ? {} : { subject }),
    };
  }

  test.each(WAYS)('revoke all of a %s: a simultaneous issue is before or after', async (way) => {
    const { issueAll, list, revoke } = selected(way);
    const before = await issueAll(Array(3000).fill(60_000));
    const revoking = revoke();
    // One after the other: if one has come after the revocation, so has each that follows it.
    const during: string[] = [];
    let over = false;
    void revoking.finally(() => {
      over = true;
    });
    while (!over) {
      during.push(...(await issueAll([60_000])).map(([id]) => id));
      await nextTurn();
    }
    await revoking;
    for (const [id] of before) expect((await store.find(id)).grant).toBeUndefined();
    const lives = await Promise.all(
      during.map(async (id) => Boolean((await store.find(id)).grant)),
    );
    expect(lives).toEqual([...lives].sort((a, b) => Number(a) - Number(b)));
    const left = lives.filter(Boolean).length;
    expect((await list()).entries).toHaveLength(left);
    expect(await revoke()).toBe(left);
  });

  test.each(WAYS)('revoke all of a %s: simultaneous calls revoke each grant once', async (way) => {
    const { issueAll, list, revoke } = selected(way);
    const entries = await issueAll(Array(2500).fill(60_000));
    const counts = await Promise.all([revoke(), revoke(), revoke()]);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(entries.length);
    for (const [id] of entries) expect((await store.find(id)).grant).toBeUndefined();
    expect((await list()).entries).toEqual([]);
    expect(await revoke()).toBe(0);
  });

  test('list: all grants of a client, those for a path, and those of a subject for a path', async () => {
    const client = newId();
    const [a, folder] = ['/download/a', '/download/a/'];
    const entries = await issue(client, [
      { covers: a, subject: 'ada' },
      { covers: folder },
      { covers: '/download/b', subject: 'ada' },
      { covers: a },
      { covers: a, subject: 'ada2' },
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
        expect((await listed(client, selection, limit)).entries).toEqual(inOrder);
      }
    }
    expect(await store.list(newId(), {}, 10)).toEqual({ entries: [] });
  });

  test('list: paths whose checksum is the same are listed separately', async () => {
    const client = newId();
    const grants = SAME_CHECKSUM.map((covers) => ({ covers }));
    const entries = await issue(client, grants);
    for (const [i, covers] of SAME_CHECKSUM.entries()) {
      expect((await listed(client, { covers })).entries).toEqual([entries[i]]);
    }
  });

  test('list: a prolonged grant is sorted by its new end, and a revoked one is not listed', async () => {
    const client = newId();
    const [first, second, third] = await issue(client, [{}, {}, {}]);
    await store.prolong(first?.[0] ?? '', client, now() + 120_000);
    await store.revoke(second?.[0] ?? '', client);
    for (const selection of [{}, { covers: '/download/a' }]) {
      const ids = (await listed(client, selection)).entries.map(([id]) => id);
      expect(ids).toEqual([third?.[0], first?.[0]]);
    }
  });

  test('revoke all: ends all grants of the client, and only those', async () => {
    const [client, other] = [newId(), newId()];
    const uses = { max: 1, resumeFor: 60 };
    const entries = await issue(client, [
      { subject: 'ada' },
      { covers: '/download/a/' },
      { uses },
      { signedUntil: now() + 90_000 },
    ]);
    const others = await issue(other, [{ subject: 'ada' }, {}]);
    const [id = ''] = entries[1] ?? [];
    await store.prolong(id, client, now() + 120_000);
    await store.redeem(entries[2]?.[0] ?? '', from(), true);
    expect(await store.revokeAll(newId(), {})).toBe(0);
    expect(await store.revokeAll(client, {})).toBe(4);
    for (const [revoked] of entries) expect((await store.find(revoked)).grant).toBeUndefined();
    for (const selection of [{}, { subject: 'ada' }, { covers: '/download/a' }]) {
      expect((await listed(client, selection)).entries).toEqual([]);
    }
    expect(await store.prolong(id, client, now() + 120_000)).toBeUndefined();
    expect((await listed(other, {})).entries).toEqual(others);
    const [later] = await issue(client, [{}]);
    expect((await listed(client, {})).entries).toEqual([later]);
    expect(await store.revokeAll(client, {})).toBe(1);
  });

  test('revoke all: an expired grant is not counted', async () => {
    const client = newId();
    await issue(client, [{ expiresAt: now() - 5 }, {}]);
    await pass(2);
    expect(await store.revokeAll(client, {})).toBe(1);
  });
}
