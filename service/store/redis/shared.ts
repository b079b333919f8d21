import type { Connection } from '../connection/connection.ts';
import type { Keys } from './key-names.ts';
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
