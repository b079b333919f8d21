import type { RedisOptions } from 'ioredis';
import { MasterConnector, ServerConnector } from './library.ts';
import { parseStoreUrl, type StoreUrl } from './url.ts';

/** `replyMapping` is omitted, because it changes the types of replies. */
export type ServerOptions = Omit<RedisOptions, 'replyMapping'>;

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
  // The message omits the text, which may contain a password.
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
    // Otherwise, a connection to a master that hangs stays open even after a failover.
    failoverDetector: true,
    sentinelCommandTimeout: 500,
    sentinelReconnectStrategy: () => 1000,
    sentinelRetryStrategy: (attempt) => Math.min(50 * attempt, 1000),
  };
}
