import type { Socket } from 'node:net';
// @ts-expect-error: the package has no types.
import calculateSlot from 'cluster-key-slot';
import {
  Command,
  Redis,
  type RedisOptions,
  SentinelConnector,
  type StandaloneConnectionOptions,
} from 'ioredis';
import standalone from 'ioredis/built/connectors/StandaloneConnector.js';
import library from 'ioredis/built/DataHandler.js';
import { failure } from './failure.ts';
import type { StoreAccess, StoreTls, StoreUrl } from './url.ts';

// How Postern configures ioredis, and what it changes in it, so that no server can end the process.

/** `replyMapping` is omitted, because it changes the types of replies. */
export type ServerOptions = Omit<RedisOptions, 'replyMapping'>;

/** For a connection to a server that holds data. */
export function serverOptions(
  url: StoreUrl,
  { password = url.password, tls, timeoutMs }: StoreAccess & { readonly timeoutMs: number },
) {
  const { username } = url;
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

export function tlsOptions({ serverName: servername, ...pem }: StoreTls = {}) {
  return { ...pem, ...(servername !== undefined && { servername }) };
}

export const SLOTS = 16_384;

/**
 * The slot of a key in a cluster. If the key has braces, the text in the first pair determines it. The package is wrong
 * for keys with `{}`, which Postern does not have: neither a prefix nor the ID of a client contains a brace.
 */
export const slotOf: (key: string) => number = calculateSlot;

// Vitest imports the default export of a CommonJS module in another way than Node.js.
const defaultOf = <T>(module: { readonly default: T }): T =>
  module.default ?? (module as unknown as T);

/**
 * Connects to one server. A TLS socket can emit a second error, and ioredis listens only for the first:
 * the second one would end the process.
 */
export class ServerConnector extends defaultOf(standalone) {
  constructor(options: unknown) {
    super(options as StandaloneConnectionOptions);
  }

  override async connect() {
    const stream = await super.connect(() => {});
    return stream.on('error', () => {});
  }
}

/** Members of the library's connector that its types do not have. */
interface Internals {
  failoverDetector: { cleanup(): void } | null;
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
    const connector = this as unknown as Internals;
    const { connectToSentinel, resolve, updateSentinels } = connector;
    // ioredis writes the stack of each error without a listener to standard error.
    connector.connectToSentinel = (address, more) =>
      connectToSentinel
        .call(this, address, { ...more, Connector: ServerConnector })
        .on('error', () => {});
    // After an address to which it cannot connect, the library would never try again.
    connector.resolve = async (address) => {
      const master = await resolve.call(this, address);
      return master && isAddress(master.host, master.port) ? master : null;
    };
    connector.updateSentinels = async (sentinel) => {
      const asked = sentinel.call('sentinel', 'sentinels', this.options.name ?? '');
      // If this fails, only a warning is missing: the connection does not depend on it.
      const others = await asked.catch(() => undefined);
      this.sentinels = Array.isArray(others) ? others.length + 1 : undefined;
      return updateSentinels.call(this, sentinel);
    };
  }

  override async connect(emit: Parameters<SentinelConnector['connect']>[0]) {
    // The detector of the lost connection would end this attempt, and ioredis would make no other. A second cleanup
    // would add a listener to each of its closed sockets.
    const connector = this as unknown as Internals;
    connector.failoverDetector?.cleanup();
    connector.failoverDetector = null;
    const stream = await super.connect(emit);
    return stream.on('error', () => {});
  }
}

// The library does not handle a failure of ASKING, or of SUBSCRIBE on a new connection: it would end the process.
const commands = Redis.prototype as unknown as Record<
  string,
  (...args: unknown[]) => Promise<unknown>
>;
for (const name of ['asking', 'subscribe']) {
  const command = commands[name] as (typeof commands)[string];
  commands[name] = function (...args) {
    const sent = command.apply(this, args);
    sent.catch(() => {});
    return sent;
  };
}

/** Why a command got no reply in time: the event loop of this process was late, or Redis. */
export type LateCause = 'loop' | 'store';

/** Called for each late command of this process. */
export const lateListeners = new Set<(cause: LateCause) => void>();

// Node.js runs timers before it reads sockets. After a pause of this process, each time limit has passed, although the
// replies have arrived. So a command fails only after the sockets were read.
Command.prototype.setTimeout = function (ms) {
  const timed = this as unknown as { _commandTimeoutTimer?: NodeJS.Timeout };
  timed._commandTimeoutTimer ??= setTimeout(() => {
    setImmediate(() => {
      if (this.isSettled && !this.isResolved) return;
      for (const listener of lateListeners) listener(this.isResolved ? 'loop' : 'store');
      if (!this.isSettled) this.reject(new Error('Command timed out'));
    });
  }, ms);
};

// If a reply has an unexpected form, ioredis throws a TypeError outside of any promise, which would end the process.
// It also takes a push for the reply to the command that waits. With the functions below, an unexpected reply ends its
// connection: the commands in flight fail, because their replies could belong to other commands, and ioredis connects
// again.

/** The failure after an unexpected reply. It never quotes the reply. */
export const unexpected = () => failure('Redis sent an unexpected reply');

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

const handler = defaultOf(library).prototype as unknown as Handler;
const { returnPush, returnReply, shiftCommand } = handler;

// The original catches the errors of `handle` and throws them later, when nobody can catch them.
handler.dispatch = (handle) => handle();

// The caller of the parser calls this for each error.
handler.returnFatalError = function () {
  const error = unexpected();
  this.redis.recoverFromFatalError(error, error, { offlineQueue: false });
  this.redis.stream.destroy();
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
