import { type Grant, latestEndOf } from '../domain/grant.ts';
import type { Entry } from '../domain/store.ts';
import type { Command, Connection } from './connection.ts';
import { createClusterIssuing, createEnterAll } from './issuing-cluster.ts';
import { gathered } from './read.ts';
import { encodeRecord } from './record.ts';
import { ISSUE } from './scripts.ts';

export interface IssuingOptions {
  readonly now: () => number;
  readonly grantKey: (id: string) => string;
  readonly indexKey: (client: string, subject: string) => string;
}

/** Stores grants, all or none; on one server in one round trip. */
export function createIssuing(connection: Connection, options: IssuingOptions) {
  const { now, grantKey, indexKey } = options;
  const lifeOf = ({ expiresAt }: Grant) => Math.max(1, expiresAt - now());

  /** Of requests that came together: each is a command of its own, and fails alone. */
  const put = gathered(connection.send);

  const setCommand = ([id, grant]: Entry): Command => {
    return ['set', grantKey(id), encodeRecord(grant), 'PX', lifeOf(grant)];
  };

  /** What the script would do of one grant that no index names, for less. */
  async function issueOne(entry: Entry): Promise<void> {
    const [error] = (await put(setCommand(entry))) ?? [new Error('Redis was not asked')];
    if (error) throw error;
  }

  async function issueTogether(issued: readonly Entry[]): Promise<void> {
    const indexes = new Map<string, number>();
    const args: Array<string | number> = [issued.length];
    for (const [, grant] of issued) {
      const { client, subject } = grant;
      let index = 0;
      if (subject !== undefined) {
        const key = indexKey(client, subject);
        index = indexes.get(key) ?? indexes.size + 1;
        indexes.set(key, index);
      }
      const left = lifeOf(grant);
      args.push(encodeRecord(grant), left, index, left + latestEndOf(grant) - grant.expiresAt);
    }
    const keys = [...issued.map(([id]) => grantKey(id)), ...indexes.keys()];
    await connection.redis.eval(ISSUE, keys.length, ...keys, ...args);
  }

  const issueAll = connection.isCluster
    ? createClusterIssuing(connection, {
        indexKey,
        setCommand,
        lifeOf,
        enterAll: createEnterAll(connection, grantKey),
      })
    : issueTogether;

  return (issued: readonly Entry[]): Promise<void> => {
    const [first, ...more] = issued;
    const isAlone = first !== undefined && more.length === 0 && first[1].subject === undefined;
    return isAlone ? issueOne(first) : issueAll(issued);
  };
}
