import { Redis } from 'ioredis';
import { StoreUnavailable } from '../domain/store.ts';

export interface ConnectOptions {
  /** `redis://` or `rediss://`. */
  readonly url: string;
  /** For each command. */
  readonly timeoutMs: number;
  /** Called on each change: Redis accepts writes, or it does not and why. */
  readonly onState?: (state: 'up' | 'down', failure?: StoreUnavailable) => void;
  /** How often to check that Redis accepts a write. */
  readonly checkEveryMs?: number;
}

export interface Connection {
  readonly redis: Redis;
  /** Throws if the last reply may come from a server that is no longer the master. */
  assertMaster(): void;
  /** Why a command failed. That may be the reason why there is no connection. */
  failureOf(error: Error): StoreUnavailable;
  close(): void;
}

/**
 * A connection that never queues: without Redis a command fails at once, and it reconnects.
 *
 * The first command on a connection is a write, followed by one write per second. This detects a lost
 * host, which sends nothing, and a master that became a replica, which keeps its clients: a replica's
 * reply may be older than a revocation.
 */
export function connect(options: ConnectOptions, write: () => Promise<unknown>): Connection {
  const { url, timeoutMs, onState, checkEveryMs = 1000 } = options;
  const isTls = url.startsWith('rediss:');
  /** Why there is no connection. */
  let lost: StoreUnavailable | undefined;
  /** Why this Redis must not be used. */
  let refused: StoreUnavailable | undefined;
  let phase: 'closed' | 'connected' | 'ready' | 'leaving' = 'closed';
  let up = false;

  const redis = new Redis(url, {
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
  });

  function down(failure?: StoreUnavailable): void {
    up = false;
    onState?.('down', failure);
  }

  async function check(): Promise<void> {
    try {
      await write();
    } catch (error) {
      // A slow Redis changes nothing, and the events report a lost connection.
      if (isReply(error as Error)) down(failureOf(error as Error));
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
    check();
  });
  redis.on('error', (error: Error & { command?: { name: string } }) => {
    const isBefore = phase === 'closed' || phase === 'connected';
    lost = isBefore ? handshakeFailure(error, isTls) : failureOf(error);
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
    redis,
    assertMaster() {
      if (refused !== undefined) throw refused;
    },
    failureOf(error) {
      // Without a reply, the state of the connection gives the reason.
      const isSilence = !isReply(error) && !(error instanceof StoreUnavailable);
      return (isSilence && (lost ?? refused)) || failureOf(error);
    },
    close() {
      clearInterval(timer);
      redis.removeAllListeners('close');
      redis.disconnect();
    },
  };
}

const CLUSTER = 'Redis is a node of a cluster, and Postern needs a single server';

/** What Redis' error codes mean for an operator. */
const MEANINGS: Readonly<Record<string, string>> = {
  WRONGPASS: 'Redis rejects the user name or the password of POSTERN_STORE',
  NOAUTH: 'Redis requires a password, and POSTERN_STORE has none',
  NOPERM: 'The Redis user of POSTERN_STORE lacks a permission',
  READONLY: 'Redis is a read-only replica',
  LOADING: 'Redis is loading its data from disk',
  MASTERDOWN: 'Redis is a replica that has lost its master',
  MOVED: CLUSTER,
  ASK: CLUSTER,
  CLUSTERDOWN: CLUSTER,
  CROSSSLOT: CLUSTER,
  OOM: 'Redis is out of memory',
  MISCONF: 'Redis cannot save its data to disk',
};

interface ReplyError extends Error {
  readonly command?: { readonly name: string };
}

function isReply(error: Error): error is ReplyError {
  return error.name === 'ReplyError';
}

function codeOf({ message }: ReplyError): string {
  return /^[A-Z]{2,20}(?= |$)/.exec(message)?.[0] ?? 'ERR';
}

/**
 * Why a command or the connection failed. An error reply is reduced to its code and command: its text
 * and the error object may hold arguments, which include records and the password.
 */
function failureOf(error: Error): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  if (!isReply(error)) return new StoreUnavailable(error.message, { shown: shownOf(error) });
  const code = codeOf(error);
  const command = error.command?.name.toUpperCase() ?? 'a command';
  const message = `${MEANINGS[code] ?? 'Redis answers with an error'} (${code} to ${command})`;
  return new StoreUnavailable(message, { shown: message });
}

function shownOf(error: Error): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (/CERT|ERR_TLS|ERR_SSL|EPROTO|UNABLE_TO/.test(code)) return `TLS to Redis fails (${code})`;
  return 'Redis does not answer';
}

/** A failure before the first reply: the URL may have the wrong scheme. */
function handshakeFailure(error: Error, isTls: boolean): StoreUnavailable {
  const { code } = error as NodeJS.ErrnoException;
  if (isTls && code === 'ETIMEDOUT') {
    const shown = 'Redis does not answer in TLS (is it a TLS port, or is it redis://?)';
    return new StoreUnavailable(`${error.message}: ${shown}`, { shown });
  }
  if (!isTls && (code === 'ECONNRESET' || code === 'EPIPE')) {
    const shown = 'Redis ends the connection before it answers (is it a TLS port, for rediss://?)';
    return new StoreUnavailable(`${error.message}: ${shown}`, { shown });
  }
  return failureOf(error);
}
