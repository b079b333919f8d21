import { createConnection, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
// @ts-expect-error: the package has no types.
import calculateSlot from 'cluster-key-slot';
import {
  AbstractConnector,
  type Cluster,
  type Redis,
  type RedisOptions,
  SentinelConnector,
} from 'ioredis';
import { failure, TIMED_OUT } from './failure.ts';
import type { Address, StoreAccess, StoreUrl } from './url.ts';

// How Postern configures ioredis 6.0.0, and everything that needs more than its documented interface. If another
// version lacks one of these members, a test fails.

/** `replyMapping` is omitted, because it changes the types of replies. */
export type ServerOptions = Omit<RedisOptions, 'replyMapping'>;

/** The options of a connection to a server that holds data. */
export function serverOptions(
  url: StoreUrl,
  options: StoreAccess & { readonly timeoutMs: number },
) {
  const { password = url.password, timeoutMs } = options;
  const { username } = url;
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(url.isTls && { tls: tlsOptions(options) }),
    Connector: ServerConnector,
    connectTimeout: Math.max(timeoutMs, 1000),
    // Applies while a reply is pending, also in a handshake, so idle connections stay open.
    socketTimeout: Math.max(timeoutMs, 1000),
    // Do not wait long for the other side: a host that hangs does not close its connection.
    disconnectTimeout: 100,
    // Never send a lost command again: it may have been a redemption.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The library would estimate how long Redis loads its data. Postern waits for the first accepted write.
    enableReadyCheck: false,
  } satisfies ServerOptions;
}

/** For a new connection and one command on it: two round trips. One sentinel or node of several may hang. */
export const firstReplyMs = (timeoutMs: number) => Math.min(Math.max(500, 2 * timeoutMs), 1500);

export function tlsOptions({ ca, cert, key, serverName: servername }: StoreAccess) {
  return { ca, cert, key, servername };
}

export const SLOTS = 16_384;

/**
 * The slot of a key in a cluster: the text in the first pair of braces determines it. The package is wrong for `{}`, which
 * no prefix and no ID of a client contains.
 */
export const slotOf: (key: string) => number = calculateSlot;

const ignore = () => {};

/** A TLS socket can emit a second error, which would end the process, because ioredis listens only for the first one. */
export class ServerConnector extends AbstractConnector {
  readonly #options: Partial<Address> & { readonly path?: string; readonly tls?: object };

  constructor(options: unknown) {
    super((options as { disconnectTimeout: number }).disconnectTimeout);
    this.#options = options as Partial<Address>;
  }

  override async connect(): Promise<Socket> {
    const { host, port, path, tls } = this.#options;
    const address = path ? { path } : { host, port: Number(port) };
    this.connecting = true;
    const stream = tls ? connectTls({ ...address, ...tls }) : createConnection(address as Address);
    stream.once('error', (error) => {
      this.firstError = error;
    });
    this.stream = stream.on('error', ignore);
    return stream;
  }
}

/** Private members of SentinelConnector. */
interface Internals {
  connectToSentinel(address: unknown, options?: { readonly lazyConnect?: boolean }): Redis;
}

export class MasterConnector extends SentinelConnector {
  /** Number of sentinels, as the last one reported it, including itself. */
  sentinels: number | undefined;

  constructor(options: unknown) {
    super(options as ConstructorParameters<typeof SentinelConnector>[0]);
    const connector = this as unknown as Internals;
    const { connectToSentinel } = connector;
    // The library passes the connections to sentinels only to this function.
    connector.connectToSentinel = (address, more) => {
      const own = { ...more, Connector: ServerConnector, autoResubscribe: false };
      const sentinel = connectToSentinel.call(this, address, own);
      // The library writes the stack of each error without a listener to standard error.
      sentinel.on('error', ignore);
      // On a new connection, the library subscribes again, but a failure of that would end the process.
      if (more?.lazyConnect) {
        sentinel.on('ready', () => void sentinel.subscribe('+switch-master').catch(ignore));
        // Each sentinel reports a failover, and the library would connect again for each report.
        const { emit } = sentinel;
        sentinel.emit = (event, ...args) =>
          !(event === 'message' && this.#isConnectedTo(args[1])) &&
          emit.call(sentinel, event, ...args);
      } else void this.#count(sentinel);
      return sentinel;
    };
  }

  /** @param report the name of the master, its old and its new address and port */
  #isConnectedTo(report: string): boolean {
    const { remoteAddress, remotePort } = (this.stream as Socket | undefined) ?? {};
    return report.endsWith(` ${remoteAddress} ${remotePort}`);
  }

  /** If this fails, only a warning is missing: the connection does not depend on it. */
  async #count(sentinel: Redis): Promise<void> {
    const asked = sentinel.call('sentinel', 'sentinels', this.options.name ?? '');
    const others = await asked.catch(ignore);
    this.sentinels = Array.isArray(others) ? others.length + 1 : undefined;
  }

  override async connect(emit: Parameters<SentinelConnector['connect']>[0]) {
    const stream = await super.connect(emit);
    return stream.on('error', ignore);
  }
}

/** The connector is a private member of a connection. */
export function sentinelsOf(redis: Redis): number | undefined {
  return (redis as unknown as { readonly connector: Partial<MasterConnector> }).connector.sentinels;
}

/** The socket of the current connection, which shows a loss before the library reports it. Undefined before the first. */
export function streamOf(redis: Redis): Socket | undefined {
  return redis.stream as Socket | undefined;
}

/** The time from the end of a connection until the next attempt. */
const AGAIN_MS = 200;

/** Connects again if the library gives up: after a failover during an attempt, or without a valid address. Returns `close`. */
export function keepConnecting(redis: Redis): () => void {
  let isClosed = false;
  redis.on('end', () => {
    setTimeout(() => {
      if (!isClosed) redis.connect().catch(ignore);
    }, AGAIN_MS);
  });
  redis.on('error', assertInStep);
  return () => {
    isClosed = true;
    redis.disconnect();
  };
}

/** After a reply without a command, each reply could belong to another one. This ends the process, and never quotes it. */
export function assertInStep({ message }: Error): void {
  if (message.startsWith('Command queue state error'))
    throw failure('Redis sent a reply to no command');
}

/** Asks a node for the table of slots. The documentation of the library omits this function. */
export function refreshSlots(cluster: Cluster): Promise<void> {
  return new Promise((resolve) => cluster.refreshSlotsCache(() => resolve()));
}

/** Why a reply is late: the event loop of this process was late, or Redis. */
export type LateCause = 'loop' | 'store';

/**
 * Rejects if the reply takes longer. Node.js runs timers before it reads sockets: after a pause, replies may have arrived,
 * so this rejects only after the sockets were read.
 */
export function timed<T>(
  reply: Promise<T>,
  ms: number,
  onLate?: (cause: LateCause) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isSettled = false;
    let hasFailed = false;
    const timer = setTimeout(() => {
      setImmediate(() => {
        if (hasFailed) return;
        onLate?.(isSettled ? 'loop' : 'store');
        if (!isSettled) reject(new Error(TIMED_OUT));
      });
    }, ms);
    reply.then(
      (value) => {
        isSettled = true;
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        hasFailed = true;
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
