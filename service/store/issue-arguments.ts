import { latestEndOf } from '../domain/grant.ts';
import type { Entry } from '../domain/store.ts';
import { encodeRecord } from './record.ts';

/** What the script ISSUE takes, for any number of grants. */
export function issueArguments(
  issued: readonly Entry[],
  now: number,
  grantKey: (id: string) => string,
  indexKey: (client: string, subject: string) => string,
): { keys: string[]; args: Array<string | number> } {
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
    const left = Math.max(1, grant.expiresAt - now);
    args.push(encodeRecord(grant), left, index, left + latestEndOf(grant) - grant.expiresAt);
  }
  return { keys: [...issued.map(([id]) => grantKey(id)), ...indexes.keys()], args };
}
