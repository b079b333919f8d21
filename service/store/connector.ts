import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, type Redis, type RedisOptions, SentinelConnector } from 'ioredis';

type Stream = Awaited<ReturnType<AbstractConnector['connect']>>;
type Detector = { cleanup(): void };
type SentinelOptions = ConstructorParameters<typeof SentinelConnector>[0];

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

/** Connects to the master that the sentinels name. */
export class MasterConnector extends SentinelConnector {
  /** How many sentinels the last one knew, itself included. */
  sentinels: number | undefined;

  constructor(options: unknown) {
    super(options as SentinelOptions);
    // ioredis writes the stack of each error without a listener to standard error.
    const connector = this as unknown as {
      connectToSentinel(address: unknown, options?: object): Redis;
      updateSentinels(sentinel: Redis): Promise<void>;
    };
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
    const { failoverDetector } = this as unknown as { failoverDetector: Detector | null };
    failoverDetector?.cleanup();
    const stream = await super.connect(emit);
    stream.on('error', () => {});
    return stream;
  }
}
