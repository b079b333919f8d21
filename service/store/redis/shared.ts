import { hash } from 'node:crypto';
import type { Grant } from '../../token/grant.ts';
import type { Selection } from '../../token/store.ts';
import type { Connection } from '../connection/connection.ts';
import { slotOf } from '../connection/library.ts';
import type { Replicas } from './replicas.ts';
import type { Run } from './scripts.ts';

/** What the parts of a Redis store share. */
export interface Shared {
  readonly connection: Connection;
  readonly keys: Keys;
  /** Sends commands. Every failure is a `StoreUnavailable`. */
  readonly reply: <T>(command: () => Promise<T>) => Promise<T>;
  readonly run: Run;
  /** Throws if no reply of this Redis may be used. */
  readonly assertUsable: () => void;
  /** Absent: no replicas have to confirm. */
  readonly replicas: Replicas | undefined;
  /** Runs an operation, and waits for its confirmation if replicas have to confirm. */
  readonly confirmed: Replicas['confirmed'];
  readonly now: () => number;
}

/** Grants that a revocation ends in one piece, and requesters that are read in one: about a millisecond. */
export const PIECE = 200;

export type Keys = ReturnType<typeof createKeys>;

/** The keys of the grants. The braces delimit each name and keep related keys in one cluster slot. */
export function createKeys(prefix: string) {
  const ofClient = (client: string) => `${prefix}client:{${client}}`;
  const ofSubject = (client: string, subject: string) => `${prefix}subject:{${client}:${subject}}`;
  // Paths with the same checksum share an index: an index for each path would need as much memory as a grant.
  const ofPath = (client: string, path: string) => `${prefix}path:{${client}:${slotOf(path)}}`;

  return {
    grant: (id: string) => `${prefix}grant:{${id}}`,

    /** Before which time the external tokens of a subject are revoked. */
    signed: (subjectId: string) => `${prefix}signed:{${subjectId}}`,

    /** The requesters of a grant. */
    uses: (id: string) => `${prefix}uses:{${id}}`,

    /** All indexes of a grant: sorted sets of token IDs by their end. */
    indexes({ client, covers, subject }: Pick<Grant, 'client' | 'covers' | 'subject'>): string[] {
      const indexes = [ofClient(client), ofPath(client, covers)];
      return subject === undefined ? indexes : [...indexes, ofSubject(client, subject)];
    },

    /** The index that has all grants of a selection. */
    index(client: string, { subject, covers }: Selection): string {
      if (subject !== undefined) return ofSubject(client, subject);
      return covers === undefined ? ofClient(client) : ofPath(client, covers);
    },

    /** Where a revocation moves an index. */
    ending: (index: string) => `${index}:revoked`,
  };
}

/** Redis ran nothing: it has not had the script since it started, or the user may not call EVALSHA. */
const NOT_RUN = /^(?:NOSCRIPT|NOPERM) /;

/** Runs a script by its digest, which Redis would compute again for each EVAL. After `notRun` it sends the script. */
export function byDigest(redis: Connection['redis'], script: string, notRun = NOT_RUN) {
  const digest = hash('sha1', script);
  return async (keys: readonly string[], args: ReadonlyArray<string | number>) => {
    const all = [keys.length, ...keys, ...args] as const;
    try {
      return await redis.evalsha(digest, ...all);
    } catch (error) {
      if (!notRun.test((error as Error).message)) throw error;
      return redis.eval(script, ...all);
    }
  };
}
