import { isIPv6 } from 'node:net';

export interface Address {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface StoreUrl {
  readonly kind: 'memory' | 'server' | 'sentinel' | 'cluster';
  /** The server, the sentinels, or some nodes of the cluster. */
  readonly addresses: readonly Address[];
  /** The Unix socket of a server on this machine, instead of addresses. */
  readonly path?: string;
  readonly isTls: boolean;
  /** The credentials of the servers with the data. The sentinels have their own settings. */
  readonly username?: string;
  readonly password?: string;
  /** The name of the master in the configuration of the sentinels. */
  readonly master?: string;
  readonly database: number;
}

export interface StoreAccess {
  /** The value of POSTERN_STORE. It may contain a password: never log it. */
  readonly url: string;
  /** Replaces the password of the URL. */
  readonly password?: string | undefined;
  /** PEM texts. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name in the certificates. */
  readonly serverName?: string | undefined;
  /** The user and the password for the sentinels themselves. */
  readonly sentinel?: {
    readonly username?: string | undefined;
    readonly password?: string | undefined;
  };
}

export const STORE_EXPECTED =
  'memory:, redis://host:6379/0, redis+unix:///path, redis+sentinel://a,b/master, redis+cluster://a,b; rediss:// for TLS';

/** By the scheme after `redis`: the kind, the default port, and an example. */
const KINDS = {
  '': ['server', 6379, 'redis://127.0.0.1:6379/0'],
  '+unix': ['server', 0, 'redis+unix:///run/redis/redis-server.sock'],
  '+sentinel': ['sentinel', 26_379, 'redis+sentinel://10.0.0.1,10.0.0.2,10.0.0.3/main/0'],
  '+cluster': ['cluster', 6379, 'redis+cluster://10.0.0.1,10.0.0.2,10.0.0.3'],
} as const;

/** Scheme, user name and password, hosts, path. Like other clients, it splits at the last @. */
const URL_PARTS = /^redis(s?)((?:\+unix|\+sentinel|\+cluster)?):\/\/(?:(.*)@)?([^/]*)(.*)$/s;

/** The characters that Sentinel allows. */
const MASTER = /^[\w.-]{1,64}$/;

/** Parses a store URL. `new URL` rejects a list of hosts. */
export function parseStoreUrl(text: string): StoreUrl | { readonly expected: string } {
  if (text === 'memory:') return { kind: 'memory', addresses: [], isTls: false, database: 0 };
  // The scheme must be in lower case, so that no other spelling connects without TLS.
  const parts = URL_PARTS.exec(text);
  if (parts === null) return { expected: STORE_EXPECTED };
  const [, tls, suffix, credentials = '', hosts = '', afterHosts = ''] = parts;
  const [kind, port, example] = KINDS[suffix as keyof typeof KINDS];
  const expect = (what: string) => ({ expected: `${what}, such as ${example}` });

  if (/[\s\p{Cc}]/u.test(text)) return expect('a URL without spaces');
  if (/[/?#]/.test(credentials)) {
    return expect('a user name and a password with all but letters and digits percent-encoded');
  }
  if (/[?#]/.test(hosts + afterHosts)) {
    return expect('a URL without ? and #; in a password write them %3F and %23');
  }
  const [username, password] = decoded(credentials) ?? [];
  if (username === undefined) {
    return { expected: 'a user name and a password with each % written %25' };
  }
  const access = { ...(username !== '' && { username }), ...(password && { password }) };
  if (suffix === '+unix') {
    const isSocket = tls === '' && hosts === '' && /^\/.*[^/]$/.test(afterHosts);
    return isSocket
      ? { kind, addresses: [], path: afterHosts, isTls: false, ...access, database: 0 }
      : expect('a URL without TLS, with three slashes and the path of a socket');
  }
  const path = afterHosts.split('/').slice(1);
  const items = kind === 'server' ? [hosts] : hosts.split(',');
  const addresses = items.map((item) => parseAddress(item, port));
  if (!addresses.every((address) => address !== undefined)) {
    const list = kind === 'server' ? 'one host' : 'a list of hosts separated by commas';
    return expect(`a URL with ${list}, and with ports from 1 to 65535`);
  }
  const [master] = kind === 'sentinel' ? path.splice(0, 1) : [];
  if (kind === 'sentinel' && !MASTER.test(master ?? '')) {
    return expect("a URL with the master's name after the hosts");
  }
  const [database = '', ...more] = path;
  if (kind === 'cluster' && path.join('') !== '') {
    return expect('a URL without a path, because a cluster has no database numbers');
  }
  if (!/^\d{0,5}$/.test(database) || more.length > 0) {
    const before = kind === 'sentinel' ? "master's name" : 'host';
    return expect(`a database number after the ${before}`);
  }
  return {
    kind,
    addresses,
    isTls: tls === 's',
    ...access,
    ...(master !== undefined && { master }),
    database: Number(database),
  };
}

/** A URL that the configuration has checked. */
export function checkedUrl(text: string): StoreUrl {
  const url = parseStoreUrl(text);
  // The message omits the text, which may contain a password.
  if ('expected' in url) throw new Error(`the store URL is not ${url.expected}`);
  return url;
}

function parseAddress(text: string, defaultPort: number): Address | undefined {
  const [, bracketed, name, port] =
    /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = bracketed ?? name;
  if (host === undefined || (bracketed !== undefined && !isIPv6(bracketed))) return undefined;
  const number = port === undefined ? defaultPort : Number(port);
  return number >= 1 && number <= 65_535 ? { host, port: number } : undefined;
}

/** User name and password; undefined if they are not percent-encoded. */
function decoded(credentials: string): string[] | undefined {
  try {
    return credentials.split(/:(.*)/s, 2).map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** The hosts or the socket for a log, without user name and password. */
export function shownHosts({ addresses, path }: StoreUrl): string {
  if (path !== undefined) return path;
  return addresses
    .map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`))
    .join(',');
}
