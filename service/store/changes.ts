import type { Redis } from 'ioredis';

/** Where Redis names the keys that changed. */
const CHANNEL = '__redis__:invalidate';

/** After so many times `maxAgeMs` what could not be had is tried anew: Redis may only have been slow. */
const AGAIN = 20;

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

/** The connection that is told. */
interface Listening {
  readonly id: number;
  readonly server: string;
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
  let listening: Listening | undefined;
  let told = false;
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
    const to = listening;
    if (to === undefined || redis.status !== 'ready') return;
    // While one Redis takes another's place: there the id is that of some other client.
    if ((await serverOf(redis)) !== to.server) return;
    await redis.client('TRACKING', 'ON', 'REDIRECT', to.id, 'OPTIN');
    told = to === listening && redis.status === 'ready';
  }

  async function listen(): Promise<void> {
    const id = Number(await listener.client('ID'));
    const server = await serverOf(listener);
    await listener.subscribe(CHANNEL);
    if (listener.status !== 'ready') return;
    listening = { id, server };
    await begin();
  }

  async function ask(): Promise<void> {
    const to = listening;
    const now = performance.now();
    await listener.ping();
    if (told && to === listening) askedAt = now;
  }

  function tryAnew(): void {
    const isUp = listener.status === 'ready' && redis.status === 'ready';
    if (isUp && performance.now() - lostAt > AGAIN * maxAgeMs) listener.disconnect(true);
  }

  const failed = () => lose();
  listener.on('ready', () => listen().catch(failed));
  listener.on('close', () => {
    listening = undefined;
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

/** Which Redis it is: each start of one has another name. */
async function serverOf(connection: Redis): Promise<string> {
  const name = /^run_id:(\w+)/m.exec(await connection.info('server'))?.[1];
  if (name === undefined) throw new Error('Redis does not say which one it is');
  return name;
}
