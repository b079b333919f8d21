import type { RedisOptions } from 'ioredis';
import { parseStoreUrl, type StoreUrl } from '../store-url.ts';

/** Replies in the form of RESP2, which is the default: with the option, the types of replies differ. */
export type ServerOptions = Omit<RedisOptions, 'replyMapping'>;

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

/** User name, password and TLS for a server that holds data. */
export function loginOptions(url: StoreUrl, { password = url.password, tls }: StoreAccess) {
  const { username } = url;
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(url.isTls && { tls: tlsOptions(tls) }),
  } satisfies RedisOptions;
}

export function tlsOptions({ ca, cert, key, serverName: servername }: StoreTls = {}) {
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(servername !== undefined && { servername }),
  };
}
