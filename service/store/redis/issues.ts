import { type Grant, latestEndOf } from '../../token/grant.ts';
import type { Entry } from '../../token/store.ts';
import type { Command, Connection } from '../connection/connection.ts';
import type { Keys } from './key-names.ts';
import { encodeRecord } from './record.ts';
import { ENTER_ALL, ISSUE } from './scripts.ts';

/** Alternating: a token ID, and the milliseconds for which it stays in the index. */
type IndexEntries = ReadonlyArray<string | number>;

export type Enter = (index: string, entries: IndexEntries) => Promise<unknown>;

/** Adds entries to an index. */
export function createEnter({ redis }: Connection): Enter {
  return (index, entries) => redis.eval(ENTER_ALL, 1, index, ...entries);
}

interface IssuingOptions {
  readonly keys: Keys;
  readonly enter: Enter;
  /** Milliseconds. */
  readonly lifeOf: (grant: Grant) => number;
}

/** Stores grants, and their entries in the indexes. */
export function createIssuing(connection: Connection, { keys, enter, lifeOf }: IssuingOptions) {
  return connection.isCluster ? issueInCluster : issueTogether;

  async function issueTogether(issued: readonly Entry[]): Promise<void> {
    const indexes = entriesOf(issued);
    const names = [...issued.map(([id]) => keys.grant(id)), ...indexes.keys()];
    const args = [
      issued.length,
      ...issued.flatMap(([, grant]) => [encodeRecord(grant), lifeOf(grant)]),
      ...[...indexes.values()].flatMap((entries) => [entries.length / 2, ...entries]),
    ];
    await connection.redis.eval(ISSUE, names.length, ...names, ...args);
  }

  /**
   * The keys are on several masters, which no script can reach together. So this stores the grants first, then
   * the index. A revocation in between counts as earlier: it misses the grants, and the next one finds them. If
   * the index came first, a revocation in between would remove the entries, and no later revocation would find the
   * grants. If a write fails, some grants may be stored, but no client receives their tokens.
   */
  async function issueInCluster(issued: readonly Entry[]): Promise<void> {
    const commands = issued.map(([id, grant]): Command => {
      return ['set', keys.grant(id), encodeRecord(grant), 'PX', lifeOf(grant)];
    });
    for (const [error] of await connection.send(commands)) if (error) throw error;
    await Promise.all([...entriesOf(issued)].map(([index, entries]) => enter(index, entries)));
  }

  /** The entries of each index. */
  function entriesOf(issued: readonly Entry[]): ReadonlyMap<string, IndexEntries> {
    const indexes = new Map<string, Array<string | number>>();
    for (const [id, grant] of issued) {
      const left = lifeOf(grant) + latestEndOf(grant) - grant.expiresAt;
      for (const index of keys.indexes(grant)) {
        const entries = indexes.get(index) ?? [];
        entries.push(id, left);
        indexes.set(index, entries);
      }
    }
    return indexes;
  }
}
