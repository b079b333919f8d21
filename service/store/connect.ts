import { Redis } from 'ioredis';

export interface ConnectOptions {
  /** `redis://` or `rediss://`. */
  readonly url: string;
  /** For connecting and for each command. */
  readonly timeoutMs: number;
  /** Told of each change: connected, or lost and why. */
  readonly onState?: (state: 'up' | 'down', error?: Error) => void;
}

/** A connection that never queues: without Redis a command fails at once, and it reconnects. */
export function connect({ url, timeoutMs, onState }: ConnectOptions): Redis {
  const redis = new Redis(url, {
    commandTimeout: timeoutMs,
    connectTimeout: Math.max(timeoutMs, 1000),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(50 * attempt, 1000),
  });
  redis.on('ready', () => onState?.('up'));
  redis.on('error', (error: Error) => onState?.('down', error));
  redis.on('close', () => onState?.('down'));
  return redis;
}
