import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, type RedisOptions } from 'ioredis';
import { parseStoreUrl, type StoreUrl } from '../store-url.ts';

/** Replies in the form of RESP2, which is the default: with the option, the types of replies differ. */
export type ServerOptions = Omit<RedisOptions, 'replyMapping'>;

export type Stream = Awaited<ReturnType<AbstractConnector['connect']>>;

/** Where the store is, and with what Postern logs in. */
export interface StoreAccess {
  /** As POSTERN_STORE has it. It may contain a password: never log it. */
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
    // Runs only while a reply is pending, so idle connections stay open.
    socketTimeout: Math.max(timeoutMs, 1000),
    // A host that hangs does not close its side.
    disconnectTimeout: 100,
    // A command that was lost is not sent again: it may have been a redemption.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The library would estimate how long Redis loads. The first accepted write shows it.
    enableReadyCheck: false,
  } satisfies ServerOptions;
}

export function tlsOptions({ serverName: servername, ...pem }: StoreTls = {}) {
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
