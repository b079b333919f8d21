import { type Grant, latestEndOf } from '../domain/grant.ts';
import type { Entry } from '../domain/store.ts';
import type { Command, Connection } from './connection.ts';
import { encodeRecord } from './record.ts';
import { ENTER_ALL, ISSUE } from './scripts.ts';

/** Entries of an index: in turn a token ID, and the milliseconds for which it may stay. */
type IndexEntries = ReadonlyArray<string | number>;

export type EnterAll = (index: string, entries: IndexEntries) => Promise<unknown>;

export function createEnterAll({ redis }: Connection): EnterAll {
  return (index, entries) => redis.eval(ENTER_ALL, 1, index, ...entries);
}

export interface IssuingOptions {
  readonly grantKey: (id: string) => string;
  readonly indexesOf: (grant: Grant) => readonly string[];
  readonly lifeOf: (grant: Grant) => number;
}

/** Stores grants and their entries in the indexes, in one step. */
export function createIssuing({ redis }: Connection, options: IssuingOptions) {
  const { grantKey, lifeOf } = options;
  return async (issued: readonly Entry[]): Promise<void> => {
    const indexes = entriesOf(issued, options);
    const keys = [...issued.map(([id]) => grantKey(id)), ...indexes.keys()];
    const args = [
      issued.length,
      ...issued.flatMap(([, grant]) => [encodeRecord(grant), lifeOf(grant)]),
      ...[...indexes.values()].flatMap((entries) => [entries.length / 2, ...entries]),
    ];
    await redis.eval(ISSUE, keys.length, ...keys, ...args);
  };
}

/**
 * Stores grants whose keys are on several masters, which no script can reach together.
 *
 * The grants come first. A revocation that ends before the index names them came before them, and the
 * next one finds them. If the index came first, such a revocation would take its entries away, and no
 * later one would find the grants. If a write fails, some grants may be stored, but nobody gets their
 * tokens.
 */
export function createClusterIssuing(
  connection: Connection,
  { enterAll, ...options }: IssuingOptions & { readonly enterAll: EnterAll },
) {
  const { grantKey, lifeOf } = options;
  const setCommand = ([id, grant]: Entry): Command => {
    return ['set', grantKey(id), encodeRecord(grant), 'PX', lifeOf(grant)];
  };

  return async (issued: readonly Entry[]): Promise<void> => {
    for (const [error] of await connection.send(issued.map(setCommand))) if (error) throw error;
    const indexes = entriesOf(issued, options);
    await Promise.all([...indexes].map(([index, entries]) => enterAll(index, entries)));
  };
}

/** The entries of each index. */
function entriesOf(
  issued: readonly Entry[],
  { indexesOf, lifeOf }: IssuingOptions,
): ReadonlyMap<string, IndexEntries> {
  const indexes = new Map<string, Array<string | number>>();
  for (const [id, grant] of issued) {
    const left = lifeOf(grant) + latestEndOf(grant) - grant.expiresAt;
    for (const index of indexesOf(grant)) {
      const entries = indexes.get(index) ?? [];
      entries.push(id, left);
      indexes.set(index, entries);
    }
  }
  return indexes;
}
