import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';

/** Where Redis names the keys that changed. */
const CHANNEL = '__redis__:invalidate';

/** After so many times `maxAgeMs` what could not be had is tried anew: Redis may only have been slow. */
const AGAIN = 20;

export interface ChangesOptions {
  /** Before the name of a key by which to try whether news comes. */
  readonly prefix: string;
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
  const { prefix, maxAgeMs, needed, onChange, onLoss } = options;
  const listener = redis.duplicate({
    protocol: 2,
    autoResubscribe: false,
    commandTimeout: maxAgeMs,
  });
  let listenerId: number | undefined;
  let told = false;
  let begun = 0;
  const awaited = new Map<string, () => void>();
  let askedAt = Number.NEGATIVE_INFINITY;
  let lostAt = performance.now();

  function lose(): void {
    told = false;
    askedAt = Number.NEGATIVE_INFINITY;
    lostAt = performance.now();
    onLoss();
  }

  /** Where it cannot be had every look-up asks Redis, as it would without all this. */
  async function begin(): Promise<void> {
    lose();
    begun += 1;
    const [id, own] = [listenerId, begun];
    if (id === undefined || redis.status !== 'ready') return;
    try {
      await redis.client('TRACKING', 'ON', 'REDIRECT', id, 'OPTIN');
      await tryOut();
    } catch {
      return;
    }
    // A later one counts, however this ended.
    if (own === begun && id === listenerId && redis.status === 'ready') told = true;
  }

  /**
   * Behind one address can be two servers, at a failover say. Then the id is that of any client of the
   * other one, to which Redis gladly tells everything. Rejects where no news comes of a change.
   */
  async function tryOut(): Promise<void> {
    const key = `${prefix}news:${randomUUID()}`;
    let timer: NodeJS.Timeout | undefined;
    const news = new Promise<void>((resolve, reject) => {
      awaited.set(key, resolve);
      timer = setTimeout(() => reject(new Error('Redis does not tell of changes')), maxAgeMs);
      timer.unref();
    });
    const change = redis
      .pipeline()
      .client('CACHING', 'YES')
      .get(key)
      .set(key, '', 'PX', 1000)
      .exec();
    try {
      await Promise.all([news, change]);
    } finally {
      clearTimeout(timer);
      awaited.delete(key);
    }
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

  function tryAnew(): void {
    const isUp = listener.status === 'ready' && redis.status === 'ready';
    if (isUp && performance.now() - lostAt > AGAIN * maxAgeMs) listener.disconnect(true);
  }

  listener.on('ready', () => listen().catch(lose));
  listener.on('close', () => {
    listenerId = undefined;
    lose();
  });
  // The other connection tells why.
  listener.on('error', () => {});
  listener.on('messageBuffer', (_channel: Buffer, keys: readonly Buffer[] | null) => {
    // All of them, where the whole database was emptied.
    if (!Array.isArray(keys)) return onLoss();
    for (const key of keys.map(String)) {
      awaited.get(key)?.();
      onChange(key);
    }
  });
  redis.on('ready', begin);
  redis.on('close', lose);

  let asking = false;
  const timer = setInterval(() => {
    if (!told) return tryAnew();
    if (asking || !needed()) return;
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
