import type { Redis } from 'ioredis';

/** Where Redis names the keys that changed. */
const CHANNEL = '__redis__:invalidate';

export interface ChangesOptions {
  /** How long what Redis said counts as said just now, in milliseconds. */
  readonly maxAgeMs: number;
  /** Whether anything is remembered; if not, nobody needs to ask whether Redis is still there. */
  readonly needed: () => boolean;
  /** The key was changed, or has ended. */
  readonly onChange: (key: string) => void;
  /** Changes may have been missed. */
  readonly onLoss: () => void;
}

/** What Redis tells of keys that were read after `CLIENT CACHING YES`. */
export interface Changes {
  /** Redis was asked to tell, on the connection as it is. */
  readonly told: () => boolean;
  /** And all that had changed `maxAgeMs` ago has been told. */
  readonly fresh: () => boolean;
  close(): void;
}

/**
 * Has Redis tell of each change to a key that `redis` has read: client-side caching, OPTIN, with a second
 * connection for what it tells (https://redis.io/docs/latest/develop/reference/client-side-caching/). That
 * one speaks RESP2: of RESP3 the library keeps the pushes to itself.
 *
 * Redis answers a connection in order. So whoever has its answer to a PING has been told of all that changed
 * before, and one that hangs, or a network that swallows, is noticed as soon as a slow Redis is.
 */
export function changesOf(redis: Redis, options: ChangesOptions): Changes {
  const { maxAgeMs, needed, onChange, onLoss } = options;
  const listener = redis.duplicate({
    protocol: 2,
    autoResubscribe: false,
    commandTimeout: maxAgeMs,
  });
  let listenerId: number | undefined;
  let told = false;
  let askedAt = Number.NEGATIVE_INFINITY;

  function lose(): void {
    told = false;
    askedAt = Number.NEGATIVE_INFINITY;
    onLoss();
  }

  /** Where it cannot be had every look-up asks Redis, as it would without all this. */
  async function begin(): Promise<void> {
    lose();
    const id = listenerId;
    if (id === undefined || redis.status !== 'ready') return;
    await redis.client('TRACKING', 'ON', 'REDIRECT', id, 'OPTIN');
    told = id === listenerId && redis.status === 'ready';
  }

  async function listen(): Promise<void> {
    const id = Number(await listener.client('ID'));
    await listener.subscribe(CHANNEL);
    if (listener.status !== 'ready') return;
    listenerId = id;
    await begin();
  }

  async function ask(): Promise<void> {
    const id = listenerId;
    const now = performance.now();
    await listener.ping();
    if (told && id === listenerId) askedAt = now;
  }

  const failed = () => lose();
  listener.on('ready', () => listen().catch(failed));
  listener.on('close', () => {
    listenerId = undefined;
    lose();
  });
  // The other connection tells why.
  listener.on('error', () => {});
  listener.on('messageBuffer', (_channel: Buffer, keys: readonly Buffer[] | null) => {
    // All of them, where the whole database was emptied.
    if (!Array.isArray(keys)) return onLoss();
    for (const key of keys) onChange(String(key));
  });
  redis.on('ready', () => begin().catch(failed));
  redis.on('close', lose);

  let asking = false;
  const timer = setInterval(() => {
    if (asking || !told || !needed()) return;
    asking = true;
    ask()
      .catch(() => {})
      .finally(() => {
        asking = false;
      });
  }, maxAgeMs / 5);
  timer.unref();

  return {
    told: () => told,
    fresh: () => performance.now() - askedAt < maxAgeMs,
    close() {
      clearInterval(timer);
      redis.off('close', lose);
      listener.removeAllListeners('close');
      listener.disconnect();
    },
  };
}
