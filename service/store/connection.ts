import { Redis } from 'ioredis';
import type { StoreUnavailable } from '../domain/store.ts';
import { checkedUrl, loginOptions, type ServerOptions, type StoreAccess } from './access.ts';
import { type MasterConnector, ServerConnector } from './connector.ts';
import { codeOf, failureOf, handshakeFailure, isSilence } from './failure.ts';
import { isSentinelFailure, sentinelFailure, sentinelOptions } from './sentinel.ts';
import { requireVersion } from './version.ts';
import { createWatch } from './watch.ts';

export interface ConnectOptions extends StoreAccess {
  /** For each command. */
  readonly timeoutMs: number;
  /** Called on each change: Redis accepts writes, or it does not and why. */
  readonly onState?: (state: 'up' | 'down', failure?: StoreUnavailable) => void;
  /** For metrics. */
  readonly observer?: StoreObserver | undefined;
  /** How often to check that Redis accepts a write. */
  readonly checkEveryMs?: number;
}

export interface StoreObserver {
  /** Called after each check. */
  connected(isConnected: boolean): void;
  /** Replicas confirmed a change, or not. */
  confirmed(isConfirmed: boolean): void;
  /** A cluster sent a command to another master. */
  redirected(): void;
  /** Another master answers, so long after the first failure. */
  failedOver(seconds: number): void;
}

/** What happens on each new connection, and then regularly. */
export interface Checks {
  /** Rejects if Redis does not accept a write. */
  write(): Promise<unknown>;
  /** Does not reject. */
  learn(): Promise<unknown>;
}

/** A command of one key. */
export type Command = [name: string, key: string, ...args: Array<string | number>];

export type Reply = readonly [error: Error | null, value: unknown];

/** To one server, or to each master of a cluster. */
export interface Connection {
  readonly isCluster: boolean;
  /** For commands whose keys have the same slot in a cluster. */
  readonly redis: Pick<Redis, 'eval' | 'hdel' | 'hget' | 'hgetall' | 'zrange' | 'zrem'>;
  /** Sends commands together and returns their replies in order. Does not reject if one fails. */
  send(commands: Command[]): Promise<readonly Reply[]>;
  /** The strings of keys, or why one is not known; null if a key does not exist or has another type. */
  mget(keys: readonly string[]): Promise<ReadonlyArray<string | null | StoreUnavailable>>;
  /** As `mget`, with the milliseconds that each key has left. */
  mgetTimed(
    keys: readonly string[],
  ): Promise<ReadonlyArray<readonly [record: string | null | StoreUnavailable, leftMs: number]>>;
  /** Removes keys, and returns how many there were. */
  unlink(keys: readonly string[]): Promise<number>;
  /** The masters, by name, to which there is a connection. */
  masters(): ReadonlyMap<string, Redis>;
  /** All masters. */
  masterNames(): readonly string[];
  /** The master that has a key. */
  masterOf(key: string): string;
  /** A key that a master has. In a cluster, its name is longer. */
  keyOn(master: string, key: string): string;
  /** How many commands a cluster sent to another master than the one that was asked. */
  readonly redirections: number;
  /** Sections of INFO from each master; empty if the user lacks the permission. */
  infos(...sections: string[]): Promise<readonly string[]>;
  /** How many sentinels watch the master; absent: unknown. */
  readonly sentinels?: number | undefined;
  /** Throws if the last reply may come from a server that is no longer the master. */
  assertMaster(): void;
  /** Why a command failed. That may be the reason why there is no connection. */
  failureOf(error: Error): StoreUnavailable;
  close(): void;
}

/** The name of a master without a cluster. */
const ONLY = '';

/**
 * A connection that never queues: without Redis a command fails at once, and it reconnects.
 *
 * The first command on a connection is a write, followed by one write per second. This detects a lost
 * host, which sends nothing, and a master that became a replica, which keeps its clients: a replica's
 * reply may be older than a revocation.
 */
export function connect(options: ConnectOptions, { write, learn }: Checks): Connection {
  const { timeoutMs, onState, observer, checkEveryMs = 1000 } = options;
  const url = checkedUrl(options.url);
  const watch = createWatch(observer);
  /** Why there is no connection. */
  let lost: StoreUnavailable | undefined;
  /** Why this Redis must not be used. */
  let refused: StoreUnavailable | undefined;
  let phase: 'closed' | 'connected' | 'ready' | 'leaving' = 'closed';
  let up = false;

  const address: ServerOptions =
    url.kind === 'sentinel'
      ? sentinelOptions(url, options)
      : { ...url.addresses[0], ...loginOptions(url, options), Connector: ServerConnector };
  const settings: ServerOptions = {
    ...address,
    db: url.database,
    commandTimeout: timeoutMs,
    connectTimeout: Math.max(timeoutMs, 1000),
    // Runs only while a reply is pending, so idle connections stay open.
    socketTimeout: Math.max(timeoutMs, 1000),
    // A host that hangs does not close its side.
    disconnectTimeout: 100,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The library would estimate how long Redis loads. The first accepted write shows it.
    enableReadyCheck: false,
    retryStrategy: (attempt) => (refused ? 500 : Math.min(50 * attempt, 1000)),
    reconnectOnError(error) {
      if (codeOf(error) !== 'READONLY') return false;
      refused = failureOf(error);
      // Once per connection: the address may now lead to the new master.
      const leaves = phase === 'ready';
      phase = 'leaving';
      return leaves;
    },
  };
  const redis = new Redis(settings);

  function down(failure?: StoreUnavailable): void {
    up = false;
    watch.failed();
    onState?.('down', failure);
  }

  // The Redis user may lack the permission for INFO.
  const infos = async (...sections: string[]) => [await redis.info(...sections).catch(() => '')];

  /** On a new connection, because an old Redis would answer some commands. */
  async function checkVersion(): Promise<void> {
    const [info = ''] = await infos('server');
    try {
      requireVersion(info);
    } catch (error) {
      refused = error as StoreUnavailable;
      phase = 'leaving';
      redis.disconnect(true);
      throw error;
    }
  }

  async function check(more?: () => Promise<void>): Promise<void> {
    try {
      await Promise.all([write(), learn(), more?.()]);
    } catch (error) {
      // A slow Redis is not down, and the events report a lost connection.
      watch.failed();
      if (!isSilence(error as Error)) down(failureOf(error as Error));
      return;
    }
    refused = undefined;
    const { remoteAddress, remotePort } = redis.stream ?? {};
    watch.answered(remoteAddress === undefined ? [] : [`${remoteAddress}:${remotePort}`]);
    if (!up) onState?.('up');
    up = true;
  }

  redis.on('connect', () => {
    phase = 'connected';
  });
  redis.on('ready', () => {
    phase = 'ready';
    lost = undefined;
    check(checkVersion);
  });
  let sentinelError: Error | undefined;
  redis.on('sentinelError', (error: Error) => {
    sentinelError = error;
  });
  redis.on('error', (error: Error & { command?: { name: string } }) => {
    const isBefore = phase === 'closed' || phase === 'connected';
    lost = isBefore ? handshakeFailure(error, url.isTls) : failureOf(error);
    if (isSentinelFailure(error)) lost = sentinelFailure(sentinelError ?? error);
    if (error.command?.name === 'select') {
      // The library would continue with database 0.
      refused = lost;
      phase = 'leaving';
      redis.disconnect(true);
    }
    down(lost);
  });
  redis.on('close', () => {
    phase = 'closed';
    down();
  });
  const timer = setInterval(() => {
    if (redis.status === 'ready') check();
  }, checkEveryMs);
  timer.unref();

  return {
    isCluster: false,
    redis,
    async send(commands) {
      return (await redis.pipeline(commands).exec()) ?? [];
    },
    mget: (keys) => redis.mget(keys as string[]),
    async mgetTimed(keys) {
      const pipeline = redis.pipeline().mget(keys as string[]);
      for (const key of keys) pipeline.pttl(key);
      const [values, ...ends] = ((await pipeline.exec()) ?? []).map(replyOrThrow);
      return (values as Array<string | null>).map((record, i) => [record, Number(ends[i])]);
    },
    unlink: (keys) => redis.unlink(...keys),
    masters: () => new Map([[ONLY, redis]]),
    masterNames: () => [ONLY],
    masterOf: () => ONLY,
    keyOn: (_, key) => key,
    redirections: 0,
    infos,
    get sentinels() {
      return (redis as unknown as { connector: Partial<MasterConnector> }).connector.sentinels;
    },
    assertMaster() {
      if (refused !== undefined) throw refused;
    },
    failureOf: (error) => (isSilence(error) && (lost ?? refused)) || failureOf(error),
    close() {
      clearInterval(timer);
      redis.removeAllListeners('close');
      redis.disconnect();
    },
  };
}

export function replyOrThrow([error, value]: Reply): unknown {
  if (error !== null) throw error;
  return value;
}
