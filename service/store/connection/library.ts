import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  AbstractConnector,
  Command,
  type Redis,
  type RedisOptions,
  SentinelConnector,
} from 'ioredis';
import library from 'ioredis/built/DataHandler.js';
import { StoreUnavailable } from '../../token/store.ts';
import { SLOTS } from '../redis/key-names.ts';

// What Postern changes in ioredis, so that no server can end the process.

type Stream = Awaited<ReturnType<AbstractConnector['connect']>>;

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
    const { path, host = 'localhost', port = 6379, family, tls } = this.#options;
    const address = { host, port, ...(family !== undefined && { family }) };
    const plain = () => connectTcp(path === undefined ? address : { path });
    this.stream = tls ? connectTls({ ...address, ...tls }) : plain();
    this.stream.on('error', (error) => {
      this.firstError ??= error;
    });
    return this.stream;
  }
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
      // If this fails, only a warning is missing: the connection does not depend on it.
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

/** Why a command got no reply in time: the event loop of this process was late, or Redis. */
export type LateCause = 'loop' | 'store';

const listeners = new Set<(cause: LateCause) => void>();

/** Calls `listener` for each late command of this process, until the returned function is called. */
export function onLate(listener: (cause: LateCause) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

// Node.js runs timers before it reads sockets. After a pause of this process, each time limit has passed, although the
// replies have arrived. So a command fails only after the sockets were read.
Command.prototype.setTimeout = function (ms) {
  const timed = this as unknown as { _commandTimeoutTimer?: NodeJS.Timeout };
  timed._commandTimeoutTimer ??= setTimeout(() => {
    setImmediate(() => {
      if (this.isSettled && !this.isResolved) return;
      for (const listener of listeners) listener(this.isResolved ? 'loop' : 'store');
      if (!this.isSettled) this.reject(new Error('Command timed out'));
    });
  }, ms);
};

// If a reply has an unexpected form, ioredis throws a TypeError outside of any promise, which would end the process.
// It also takes a push for the reply to the command that waits. With the functions below, an unexpected reply ends its
// connection: the commands in flight fail, because their replies could belong to other commands, and ioredis connects
// again.

/** The failure after an unexpected reply. It never quotes the reply. */
export function unexpected(): StoreUnavailable {
  const shown = 'Redis sent an unexpected reply';
  return new StoreUnavailable(shown, { shown });
}

const isBelow = (value: unknown, end: number) =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < end;

/** Whether a server named an address: a host name or an IP address, and a port. */
export function isAddress(host: unknown, port: unknown): boolean {
  const isHost = /^[\w.:%-]{1,253}$/.test(String(host)) && !Array.isArray(host);
  return isHost && isBelow(port, 65_536) && port !== 0;
}

/** A string is a buffer before the library converts it. */
const isString = (value: unknown) => value === null || Buffer.isBuffer(value);

/** Redis does not name the host of a node that it cannot reach. */
function isNode(node: unknown): boolean {
  if (!Array.isArray(node)) return false;
  const [host, port] = node as unknown[];
  return isString(host) && (!host?.toString() || isAddress(host, port));
}

function isRange(range: unknown): boolean {
  if (!Array.isArray(range)) return false;
  const [first, last, ...nodes] = range as unknown[];
  return isBelow(first, SLOTS) && isBelow(last, SLOTS) && nodes.every(isNode);
}

/** The replies to the commands that look-ups need. The library only sends CLUSTER SLOTS. */
const FORMS: Readonly<Record<string, (reply: unknown, args: readonly unknown[]) => boolean>> = {
  mget: (reply, { length }) =>
    Array.isArray(reply) && reply.length === length && reply.every(isString),
  get: isString,
  pttl: Number.isSafeInteger,
  set: (reply) => String(reply) === 'OK',
  cluster: (reply) => Array.isArray(reply) && reply.every(isRange),
};

/** Members of the library's handler that its types do not have. */
interface Handler {
  readonly redis: {
    readonly stream: Socket;
    readonly commandQueue: {
      peekFront(): { readonly command: { name: string; args: readonly unknown[] } } | undefined;
    };
    readonly condition: { readonly subscriber: unknown };
    recoverFromFatalError(error: Error, same: Error, options: { offlineQueue: boolean }): void;
  };
  dispatch(handle: () => void): void;
  returnFatalError(): void;
  returnReply(reply: unknown): void;
  returnPush(reply: readonly unknown[]): void;
  shiftCommand(reply: unknown): unknown;
}

// Vitest imports the default export of a CommonJS module in another way than Node.js.
const { prototype } = library.default ?? (library as unknown as typeof library.default);
const handler = prototype as unknown as Handler;
const { returnPush, returnReply, shiftCommand } = handler;

// The original catches the errors of `handle` and throws them later, when nobody can catch them.
handler.dispatch = (handle) => handle();

// The caller of the parser calls this for each error.
handler.returnFatalError = function () {
  const { redis } = this;
  const failure = unexpected();
  redis.recoverFromFatalError(failure, failure, { offlineQueue: false });
  redis.stream.destroy();
};

handler.shiftCommand = function (reply) {
  if (this.redis.commandQueue.peekFront() === undefined) throw unexpected();
  return shiftCommand.call(this, reply);
};

handler.returnReply = function (reply) {
  const { name = '', args = [] } = this.redis.commandQueue.peekFront()?.command ?? {};
  if (FORMS[name]?.(reply, args) === false) throw unexpected();
  returnReply.call(this, reply);
};

// Postern subscribes only to sentinels.
handler.returnPush = function (reply) {
  const type = String(reply[0]);
  const { commandQueue, condition } = this.redis;
  const isExpected =
    type === 'message' ? condition.subscriber : commandQueue.peekFront()?.command.name === type;
  if (!isExpected) throw unexpected();
  returnPush.call(this, reply);
};
