import { type Grant, latestEndOf } from '../domain/grant.ts';
import type { Entry } from '../domain/store.ts';
import type { Command, Connection } from './connection.ts';
import { encodeRecord } from './record.ts';
import { ENTER_ALL } from './scripts.ts';

/** Enters grants in an index, each with the milliseconds for which it may stay there. */
export type EnterAll = (
  index: string,
  entries: ReadonlyArray<readonly [id: string, left: number]>,
) => Promise<unknown>;

export function createEnterAll({ redis }: Connection, grantKey: (id: string) => string): EnterAll {
  return (index, entries) => {
    const args = entries.flatMap(([id, left]) => [grantKey(id), left]);
    return redis.eval(ENTER_ALL, 1, index, ...args);
  };
}

export interface ClusterIssuingOptions {
  readonly grantKey: (id: string) => string;
  readonly indexKey: (client: string, subject: string) => string;
  readonly lifeOf: (grant: Grant) => number;
  readonly enterAll: EnterAll;
}

/**
 * Stores grants whose keys are on several masters, which no script can reach together.
 *
 * The grants come first. A revocation of the subject that ends before the index names them came before
 * them, and the next one finds them. If the index came first, such a revocation would take its entries
 * away, and no later one would find the grants. If a write fails, some grants may be stored, but nobody
 * gets their tokens.
 */
export function createClusterIssuing(
  connection: Connection,
  { grantKey, indexKey, lifeOf, enterAll }: ClusterIssuingOptions,
) {
  const setCommand = ([id, grant]: Entry): Command => {
    return ['set', grantKey(id), encodeRecord(grant), 'PX', lifeOf(grant)];
  };

  return async (issued: readonly Entry[]): Promise<void> => {
    for (const [error] of await connection.send(issued.map(setCommand))) if (error) throw error;
    const indexes = new Map<string, Array<[id: string, left: number]>>();
    for (const [id, grant] of issued) {
      const { client, subject, expiresAt } = grant;
      if (subject === undefined) continue;
      const key = indexKey(client, subject);
      const entries = indexes.get(key) ?? [];
      entries.push([id, lifeOf(grant) + latestEndOf(grant) - expiresAt]);
      indexes.set(key, entries);
    }
    await Promise.all([...indexes].map(([key, entries]) => enterAll(key, entries)));
  };
}
