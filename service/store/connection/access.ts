import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, type Redis, type RedisOptions, SentinelConnector } from 'ioredis';
import { isAddress } from './replies.ts';
import { parseStoreUrl, type StoreUrl } from './url.ts';

/** Without `replyMapping`, which changes the types of replies. */
export type ServerOptions = Omit<RedisOptions, 'replyMapping'>;

type Stream = Awaited<ReturnType<AbstractConnector['connect']>>;

/** The address of the store, and the credentials. */
export interface StoreAccess {
  /** The value of POSTERN_STORE. It may contain a password: never log it. */
  readonly url: string;
  /** Instead of the URL's. */
  readonly password?: string;
  readonly tls?: StoreTls;
  /** For the sentinels themselves. */
  readonly sentinel?: { readonly username?: string; readonly password?: string };
}

/** PEM texts, and the name in the certificates. */
export interface StoreTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
}

/** A URL that the configuration has checked. */
export function checkedUrl(text: string): StoreUrl {
  const url = parseStoreUrl(text);
  // Without the text: it may contain a password.
  if ('expected' in url) throw new Error(`the store URL is not ${url.expected}`);
  return url;
}

/** For a connection to a server that holds data. */
export function serverOptions(url: StoreUrl, access: StoreAccess, timeoutMs: number) {
  const { username } = url;
  const { password = url.password, tls } = access;
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(url.isTls && { tls: tlsOptions(tls) }),
    Connector: ServerConnector,
    commandTimeout: timeoutMs,
    connectTimeout: Math.max(timeoutMs, 1000),
    // Applies only while a reply is pending, so idle connections stay open.
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

function tlsOptions({ serverName: servername, ...pem }: StoreTls = {}) {
  return { ...pem, ...(servername !== undefined && { servername }) };
}

/**
 * Connects to one server. A TLS socket can emit a second error, and ioredis listens only for the first:
 * the second one would end the process.
 */
export class ServerConnector extends AbstractConnector {
  readonly #options: RedisOptions;

  constructor(options: unknown) {
    const settings = options as RedisOptions & { disconnectTimeout: number };
    super(settings.disconnectTimeout);
    this.#options = settings;
  }

  async connect(): Promise<Stream> {
    this.connecting = true;
    const { host = 'localhost', port = 6379, family, tls } = this.#options;
    const address = { host, port, ...(family !== undefined && { family }) };
    this.stream = tls ? connectTls({ ...address, ...tls }) : connectTcp(address);
    this.stream.on('error', (error) => {
      this.firstError ??= error;
    });
    return this.stream;
  }
}

/** Options to connect to the master that the sentinels name, also after a failover. */
export function sentinelOptions(url: StoreUrl, { sentinel = {}, tls }: StoreAccess): ServerOptions {
  const { username, password } = sentinel;
  return {
    Connector: MasterConnector,
    sentinels: [...url.addresses],
    ...(url.master !== undefined && { name: url.master }),
    role: 'master',
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password !== undefined && { sentinelPassword: password }),
    ...(url.isTls && { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(tls) }),
    // Without it, a connection to a master that hangs stays open even after a failover.
    failoverDetector: true,
    sentinelCommandTimeout: 500,
    sentinelReconnectStrategy: () => 1000,
    sentinelRetryStrategy: (attempt) => Math.min(50 * attempt, 1000),
  };
}

/** Members of the library's connector that its types do not have. */
interface Internals {
  readonly failoverDetector: { cleanup(): void } | null;
  connectToSentinel(address: unknown, options?: object): Redis;
  resolve(address: unknown): Promise<{ host: unknown; port: unknown } | null>;
  updateSentinels(sentinel: Redis): Promise<void>;
}

/** Connects to the master that the sentinels name. */
export class MasterConnector extends SentinelConnector {
  /** Number of sentinels, as the last one reported it, including itself. */
  sentinels: number | undefined;

  constructor(options: unknown) {
    super(options as ConstructorParameters<typeof SentinelConnector>[0]);
    // ioredis writes the stack of each error without a listener to standard error.
    const connector = this as unknown as Internals;
    const original = connector.connectToSentinel.bind(this);
    connector.connectToSentinel = (address, more) => {
      const sentinel = original(address, { ...more, Connector: ServerConnector });
      // On a new connection, the library does not handle a failure to subscribe again: it would end the process.
      const subscribe = sentinel.subscribe.bind(sentinel) as (
        ...all: unknown[]
      ) => Promise<unknown>;
      sentinel.subscribe = (...channels: unknown[]) => {
        const subscribed = subscribe(...channels);
        subscribed.catch(() => {});
        return subscribed;
      };
      return sentinel.on('error', () => {});
    };
    const resolve = connector.resolve.bind(this);
    // After an address to which it cannot connect, the library would never try again.
    connector.resolve = async (address) => {
      const master = await resolve(address);
      return master && isAddress(master.host, master.port) ? master : null;
    };
    const update = connector.updateSentinels.bind(this);
    connector.updateSentinels = async (sentinel) => {
      const asked = sentinel.call('sentinel', 'sentinels', this.options.name ?? '');
      // Only for a warning: the connection does not depend on it.
      const others = await asked.catch(() => undefined);
      this.sentinels = Array.isArray(others) ? others.length + 1 : undefined;
      return update(sentinel);
    };
  }

  override async connect(emit: Parameters<SentinelConnector['connect']>[0]): Promise<Stream> {
    // The detector of the lost connection would end this attempt, and ioredis would make no other.
    (this as unknown as Internals).failoverDetector?.cleanup();
    const stream = await super.connect(emit);
    stream.on('error', () => {});
    return stream;
  }
}
