import type { Redis } from 'ioredis';
import { type Grant, latestEndOf } from '../domain/grant.ts';
import type { Entry } from '../domain/store.ts';
import { gathered } from './read.ts';
import { encodeRecord } from './record.ts';
import { ISSUE } from './scripts.ts';

export interface IssuingOptions {
  readonly now: () => number;
  readonly grantKey: (id: string) => string;
  readonly indexKey: (client: string, subject: string) => string;
}

type SetCommand = ['set', key: string, record: string, 'PX', milliseconds: number];

/** Stores grants, all or none, in one round trip. */
export function createIssuing(redis: Redis, { now, grantKey, indexKey }: IssuingOptions) {
  const lifeOf = ({ expiresAt }: Grant) => Math.max(1, expiresAt - now());

  /** Of requests that came together: each is a command of its own, and fails alone. */
  const put = gathered(async (commands: SetCommand[]) => {
    return (await redis.pipeline(commands).exec()) ?? [];
  });

  /** What the script would do of one grant that no index names, for less. */
  async function issueOne([id, grant]: Entry): Promise<void> {
    const command: SetCommand = ['set', grantKey(id), encodeRecord(grant), 'PX', lifeOf(grant)];
    const [error] = (await put(command)) ?? [new Error('Redis was not asked')];
    if (error) throw error;
  }

  async function issueAll(issued: readonly Entry[]): Promise<void> {
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
    await redis.eval(ISSUE, keys.length, ...keys, ...args);
  }

  return (issued: readonly Entry[]): Promise<void> => {
    const [first, ...more] = issued;
    const isAlone = first !== undefined && more.length === 0 && first[1].subject === undefined;
    return isAlone ? issueOne(first) : issueAll(issued);
  };
}
