import { Redis } from 'ioredis';
import { StoreUnavailable } from '../domain/store.ts';
import { checkedUrl, loginOptions, type ServerOptions, type StoreAccess } from './access.ts';
import { codeOf, failureOf, handshakeFailure, isReply } from './failure.ts';
import { isSentinelFailure, sentinelFailure, sentinelOptions } from './sentinel.ts';
import { requireVersion } from './version.ts';

export interface ConnectOptions extends StoreAccess {
  /** For each command. */
  readonly timeoutMs: number;
  /** Told of each change: Redis takes writes, or it does not and why. */
  readonly onState?: (state: 'up' | 'down', failure?: StoreUnavailable) => void;
  /** How often to check that it takes a write. */
  readonly checkEveryMs?: number;
}

/** A command of one key. */
export type Command = [name: string, key: string, ...args: Array<string | number>];

export type Reply = readonly [error: Error | null, value: unknown];

/** To one server, or to each master of a cluster. */
export interface Connection {
  readonly isCluster: boolean;
  /** For commands whose keys have the same slot in a cluster. */
  readonly redis: Pick<Redis, 'eval' | 'hgetall' | 'zrange' | 'zrem'>;
  /** Sends commands together. The replies are in their order; one that fails does not reject. */
  send(commands: Command[]): Promise<readonly Reply[]>;
  /** The strings under keys, or what failed; null for a key that does not exist or has another type. */
  mget(keys: readonly string[]): Promise<ReadonlyArray<string | null | StoreUnavailable>>;
  /** Also how many milliseconds each key has left. */
  mgetTimed(
    keys: readonly string[],
  ): Promise<ReadonlyArray<readonly [record: string | null | StoreUnavailable, leftMs: number]>>;
  /** How many of the keys were there. */
  unlink(keys: readonly string[]): Promise<number>;
  /** Sets a key on each master, with its name or a name that begins so. */
  setOnMasters(key: string, value: string, ms: number): Promise<void>;
  /** A section of INFO from each master; empty if it does not tell. */
  infos(section: string): Promise<readonly string[]>;
  /** Throws where what Redis has just said must not count. */
  assertMaster(): void;
  /** Why a command failed: that may be why there is no connection. */
  failureOf(error: Error): StoreUnavailable;
  close(): void;
}

/**
 * A connection that never queues: without Redis a command fails at once, and it reconnects.
 *
 * The first command on a connection is a write, and from then on there is one each second. So a host that
 * is lost is noticed, which says nothing, and so is a master that became a replica, which keeps its
 * clients: what a replica says may be from before a revocation.
 */
export function connect(options: ConnectOptions, write: () => Promise<unknown>): Connection {
  const { timeoutMs, onState, checkEveryMs = 1000 } = options;
  const url = checkedUrl(options.url);
  /** Why there is no connection. */
  let lost: StoreUnavailable | undefined;
  /** Why this Redis is not the one to ask. */
  let refused: StoreUnavailable | undefined;
  let phase: 'closed' | 'connected' | 'ready' | 'leaving' = 'closed';
  let up = false;

  const place: ServerOptions =
    url.kind === 'sentinel'
      ? sentinelOptions(url, options)
      : { ...url.addresses[0], ...loginOptions(url, options) };
  const settings: ServerOptions = {
    ...place,
    db: url.database,
    commandTimeout: timeoutMs,
    connectTimeout: Math.max(timeoutMs, 1000),
    // Only while a reply is awaited: an idle connection stays.
    socketTimeout: Math.max(timeoutMs, 1000),
    // A host that hangs does not say goodbye.
    disconnectTimeout: 100,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The library would guess how long Redis loads; the first write that it takes shows it.
    enableReadyCheck: false,
    retryStrategy: (attempt) => (refused ? 500 : Math.min(50 * attempt, 1000)),
    reconnectOnError(error) {
      if (codeOf(error) !== 'READONLY') return false;
      refused = failureOf(error);
      // Once for each connection: its address may lead to the new master.
      const leaves = phase === 'ready';
      phase = 'leaving';
      return leaves;
    },
  };
  const redis = new Redis(settings);

  function down(failure?: StoreUnavailable): void {
    up = false;
    onState?.('down', failure);
  }

  // Not every Redis lets its clients ask.
  const infos = async (section: string) => [await redis.info(section).catch(() => '')];

  /** On a new connection: an old Redis would answer some commands. */
  async function checkVersion(): Promise<void> {
    const [info] = await infos('server');
    try {
      requireVersion(info ?? '');
    } catch (error) {
      refused = error as StoreUnavailable;
      phase = 'leaving';
      redis.disconnect(true);
      throw error;
    }
  }

  async function check(more?: () => Promise<void>): Promise<void> {
    try {
      await Promise.all([write(), more?.()]);
    } catch (error) {
      // A slow Redis is no news; a lost connection is told by its events.
      if (!isSilence(error as Error)) down(failureOf(error as Error));
      return;
    }
    refused = undefined;
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
      // The library would go on in database 0.
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
      const [values, ...ends] = ((await pipeline.exec()) ?? []).map(valueOrThrow);
      return (values as Array<string | null>).map((record, i) => [record, Number(ends[i])]);
    },
    unlink: (keys) => redis.unlink(...keys),
    async setOnMasters(key, value, ms) {
      await redis.set(key, value, 'PX', ms);
    },
    infos,
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

export function valueOrThrow([error, value]: Reply): unknown {
  if (error !== null) throw error;
  return value;
}

/** Redis did not reply: why is what the connection says. */
export function isSilence(error: Error): boolean {
  return !isReply(error) && !(error instanceof StoreUnavailable);
}
