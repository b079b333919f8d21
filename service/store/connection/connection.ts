import type { Redis } from 'ioredis';
import type { StoreUnavailable } from '../../token/store.ts';
import { isLoss, isSilence } from './failure.ts';
import type { LateCause } from './ioredis.ts';
import type { StoreAccess } from './url.ts';

export interface ConnectOptions extends StoreAccess {
  /** The time limit of each command. */
  readonly timeoutMs: number;
  /** Called when Redis begins or stops to accept writes; `failure` is the reason. */
  readonly onState?: (state: 'up' | 'down', failure?: StoreUnavailable) => void;
  readonly observer?: StoreObserver | undefined;
  /** How often to check that Redis accepts a write. */
  readonly checkEveryMs?: number;
}

export interface RedisStoreOptions extends ConnectOptions {
  readonly prefix: string;
  /** How many replicas must acknowledge a revocation or a new requester; 0: none. */
  readonly replicas?: number;
  /** Called if something that an operator should change is new. */
  readonly onWarning?: (warning: string) => void;
  readonly now?: () => number;
}

export interface StoreObserver {
  connected(isConnected: boolean): void;
  /** Replicas acknowledged a change, or did not. */
  acknowledged(isAcknowledged: boolean): void;
  /** A cluster sent a command to another master. */
  redirected(): void;
  late(cause: LateCause): void;
  evicts(isEvicting: boolean): void;
}

/** A string, or why it is not known; null if the key does not exist or has another type. */
export type Value = readonly [record: string | null | StoreUnavailable, leftMs: number];

export type Reply = readonly [error: Error | null, value: unknown];

/** To one server, or to each master of a cluster. Each command waits for the first attempt to connect. */
export interface Connection {
  readonly isCluster: boolean;
  send: SendTo;
  /** Ends with the first attempt to connect, if there is one. */
  connected(): Promise<void>;
  /** The strings of keys. `withEnds`: with the milliseconds that each key has left. */
  read(keys: readonly string[], withEnds: boolean): Promise<readonly Value[]>;
  /** Removes keys. `counted` gets how many there were, even if the reply is late. */
  unlink(keys: readonly string[], counted?: (count: number) => void): Promise<unknown>;
  masters(): ReadonlyMap<string, Redis>;
  masterNames(): readonly string[];
  masterOf(key: string): string;
  /** A name for a key that this master has. In a cluster, the name has a tag. */
  keyOn(master: string, key: string): string;
  readonly redirections: number;
  /** INFO from each master; empty if the user lacks the permission. */
  infos(): Promise<readonly string[]>;
  /** How many sentinels watch the master; absent: unknown. */
  readonly sentinels?: number | undefined;
  /** Throws if the last reply may come from a server that is no longer the master. */
  assertMaster(): void;
  /** Why a command failed. That may be the reason why there is no connection. */
  failureOf(error: Error): StoreUnavailable;
  /** Connects again to each master, after a reply that may belong to another command. */
  reconnect(): void;
  close(): void;
}

/** Sends a command with these keys now, or after the first attempt to connect, and limits the time until its reply. */
export type Wait = <T>(keys: readonly string[], send: () => Promise<T>) => Promise<T>;

/** Runs commands that change nothing, and sends them again if the connection is lost. */
export function withRetry(wait: Wait): Wait {
  return async (keys, send) => {
    try {
      return await wait(keys, send);
    } catch (error) {
      if (!isLoss(error as Error)) throw error;
      return wait(keys, send);
    }
  };
}

/** Runs commands on the connection to the master of a key. */
export type SendTo = <T>(key: string, run: (redis: Redis) => Promise<T>) => Promise<T>;

interface Connected extends Pick<Connection, 'failureOf'> {
  /** Whether a failed check needs no report: Redis is slow, or the lost connection is already reported. */
  isKnown(error: Error): boolean;
}

/**
 * The first command on a connection is a write, followed by one per second. This detects a lost host, which sends
 * nothing, and a master that became a replica, whose reply may be older than a revocation. `write` rejects then.
 */
export function createState(
  options: ConnectOptions,
  write: () => Promise<unknown>,
  connected: Connected,
) {
  const { onState, observer, checkEveryMs = 1000 } = options;
  let up = false;
  let isClosed = false;
  /** Number of lost and refused connections and of failed checks. */
  let failures = 0;

  const state = {
    /** Why there is no connection. */
    lost: undefined as StoreUnavailable | undefined,
    /** Why this Redis must not be used. */
    unusable: undefined as StoreUnavailable | undefined,

    /** This Redis must not be used until a later check succeeds. */
    exclude(why: StoreUnavailable): void {
      state.unusable = why;
      failures += 1;
    },

    down(why?: StoreUnavailable): void {
      if (isClosed) return;
      up = false;
      failures += 1;
      observer?.connected(false);
      onState?.('down', why);
    },

    /** Call this on each new connection. It writes before it returns. */
    async check(): Promise<void> {
      const before = failures;
      try {
        await write();
      } catch (error) {
        observer?.connected(false);
        if (!connected.isKnown(error as Error)) state.down(state.failureOf(error as Error));
        return;
      }
      // Otherwise the reply is older than the failure.
      if (isClosed || failures !== before) return;
      state.lost = undefined;
      state.unusable = undefined;
      observer?.connected(true);
      if (!up) onState?.('up');
      up = true;
    },

    assertMaster(): void {
      if (state.unusable !== undefined) throw state.unusable;
    },

    failureOf(error: Error): StoreUnavailable {
      return (isSilence(error) && (state.lost ?? state.unusable)) || connected.failureOf(error);
    },

    close(): void {
      isClosed = true;
      clearInterval(timer);
    },
  };

  const timer = setInterval(() => void state.check(), checkEveryMs);
  timer.unref();
  return state;
}

export function replyOrThrow([error, value]: Reply): unknown {
  if (error !== null) throw error;
  return value;
}

/** No command waits longer for a connection. */
const MAX_RECONNECT_MS = 250;

/** The keys of all commands that wait. */
const MAX_WAITING = 1000;

/**
 * The first attempt to connect, at the start or after a connection was lost. Commands wait for it, so one lost connection
 * fails no request. If it fails or takes too long, commands fail at once: a store that is gone must not delay each request.
 */
export function createAttempt(timeoutMs: number) {
  let ended: Promise<void> | undefined;
  let keysLeft = 0;
  let end = () => {};

  return {
    begin(): void {
      if (ended !== undefined) return;
      keysLeft = MAX_WAITING;
      ended = new Promise((resolve) => {
        const timer = setTimeout(() => end(), Math.min(timeoutMs, MAX_RECONNECT_MS));
        end = () => {
          clearTimeout(timer);
          ended = undefined;
          resolve();
        };
      });
    },

    /** It has succeeded or failed. The waiting commands continue after the code that calls this. */
    end: () => end(),

    /** Sends a command with these keys now, or after the attempt. */
    wait<T>(keys: readonly string[], send: () => Promise<T>): Promise<T> {
      if (ended === undefined || keys.length > keysLeft) return send();
      keysLeft -= keys.length;
      return ended.then(send);
    },
  };
}
