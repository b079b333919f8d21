import { type Redis, SentinelConnector } from 'ioredis';
import type { StoreUrl } from '../store-url.ts';
import {
  ServerConnector,
  type ServerOptions,
  type StoreAccess,
  type Stream,
  tlsOptions,
} from './access.ts';

/** Lead to the master that the sentinels name, and to the next one after a failover. */
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
    // Without it, a master that hangs keeps its connection until it continues.
    failoverDetector: true,
    sentinelCommandTimeout: 500,
    sentinelReconnectStrategy: () => 1000,
    sentinelRetryStrategy: (attempt) => Math.min(50 * attempt, 1000),
  };
}

/** What the library's connector has, beside what its types say. */
interface Internals {
  readonly failoverDetector: { cleanup(): void } | null;
  connectToSentinel(address: unknown, options?: object): Redis;
  updateSentinels(sentinel: Redis): Promise<void>;
}

/** Connects to the master that the sentinels name. */
export class MasterConnector extends SentinelConnector {
  /** How many sentinels the last one knew, itself included. */
  sentinels: number | undefined;

  constructor(options: unknown) {
    super(options as ConstructorParameters<typeof SentinelConnector>[0]);
    // ioredis writes the stack of each error without a listener to standard error.
    const connector = this as unknown as Internals;
    const original = connector.connectToSentinel.bind(this);
    connector.connectToSentinel = (address, more) =>
      original(address, { ...more, Connector: ServerConnector }).on('error', () => {});
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
