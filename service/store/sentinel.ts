import { StoreUnavailable } from '../domain/store.ts';
import type { StoreUrl } from '../store-url.ts';
import { loginOptions, type ServerOptions, type StoreAccess, tlsOptions } from './access.ts';
import { MasterConnector } from './connector.ts';

/** Leads to the master that the sentinels name, and to the next one after a failover. */
export function sentinelOptions(url: StoreUrl, access: StoreAccess): ServerOptions {
  const { username, password } = access.sentinel ?? {};
  return {
    ...loginOptions(url, access),
    Connector: MasterConnector,
    sentinels: [...url.addresses],
    ...(url.master !== undefined && { name: url.master }),
    role: 'master',
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password !== undefined && { sentinelPassword: password }),
    ...(url.isTls && { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(access.tls) }),
    // Without it, a master that hangs keeps its connection until it continues.
    failoverDetector: true,
    sentinelCommandTimeout: 500,
    sentinelReconnectStrategy: () => 1000,
    sentinelRetryStrategy: (attempt) => Math.min(50 * attempt, 1000),
  };
}

/** An error of the connection to the master, before there is one. */
export function isSentinelFailure({ message }: Error): boolean {
  return message.startsWith('All sentinels are unreachable');
}

/** Why no sentinel named a master. ioredis keeps only the text of the cause. */
export function sentinelFailure({ message }: Error): StoreUnavailable {
  return new StoreUnavailable(message, { shown: meaningOf(message) });
}

function meaningOf(message: string): string {
  if (/invalid reply|No such master/.test(message)) {
    return 'The sentinels do not know the master that POSTERN_STORE names';
  }
  if (/WRONGPASS|ERR AUTH/.test(message)) {
    return 'A sentinel rejects POSTERN_SENTINEL_USERNAME or POSTERN_SENTINEL_PASSWORD';
  }
  if (message.includes('NOAUTH')) {
    return 'The sentinels require a password: set POSTERN_SENTINEL_PASSWORD';
  }
  if (message.includes('NOPERM')) return 'The user of the sentinels lacks a permission (NOPERM)';
  if (/certificate|SSL|TLS/i.test(message)) return 'TLS to the sentinels fails';
  return 'No sentinel answers';
}
