import type { Socket } from 'node:net';
import library from 'ioredis/built/DataHandler.js';
import { StoreUnavailable } from '../../token/store.ts';
import { SLOTS } from '../redis/key-names.ts';

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
