import { type AddressInfo, isIP } from 'node:net';
import { StoreUnavailable } from '../../token/store.ts';

/**
 * The text of a reply may quote a password or a record, and a server can send names of any kind. So a failure has
 * only texts of this file, codes and commands that Postern knows, and IP addresses.
 */

/** The message of the error after a time limit. */
export const TIMED_OUT = 'Command timed out';

const CLUSTER = 'Redis is a node of a cluster: use redis+cluster:// in POSTERN_STORE';

/** The meaning of Redis' error codes for an operator. */
const MEANINGS: Readonly<Record<string, string>> = {
  WRONGPASS: 'Redis rejects the user name or the password of POSTERN_STORE',
  NOAUTH: 'Redis requires a password, and POSTERN_STORE has none',
  NOPERM: 'The Redis user of POSTERN_STORE lacks a permission',
  READONLY: 'Redis is a read-only replica',
  LOADING: 'Redis is loading its data from disk',
  MASTERDOWN: 'Redis is a replica that has lost its master',
  MOVED: CLUSTER,
  ASK: CLUSTER,
  CLUSTERDOWN: CLUSTER,
  CROSSSLOT: CLUSTER,
  BUSY: 'Redis runs a script of another program for too long: end it with SCRIPT KILL',
  WRONGTYPE: 'A key has another type: another program uses the same POSTERN_STORE_PREFIX',
  OOM: 'Redis is out of memory',
  NOREPLICAS: 'Redis has fewer replicas than min-replicas-to-write',
  MISCONF: 'Redis cannot save its data to disk',
};

/** Codes without a meaning of their own. Any other first word of a reply may be a secret. */
const CODES = new Set([
  ...Object.keys(MEANINGS),
  ...'TRYAGAIN NOPROTO EXECABORT UNKILLABLE BUSYGROUP NOGROUP'.split(' '),
]);

/** Commands of scripts, whose refusal Redis reports as a failure of EVAL. */
const SCRIPTED = new Set(
  (
    'del exists get hdel hget hmget hset pexpire pttl rename set time xack xadd xclaim xdel xgroup xinfo xpending ' +
    'xrange xreadgroup xtrim zadd zcount zrange zrank zrem zremrangebyrank zscore'
  ).split(' '),
);

interface ReplyError extends Error {
  readonly command?: { readonly name: string };
}

export function isReply(error: Error): error is ReplyError {
  return error.name === 'ReplyError';
}

export function codeOf({ message }: ReplyError): string {
  // Redis 7 and 8, and Valkey.
  if (/^ERR (?:ACL failure in script|The user executing the script)/.test(message)) return 'NOPERM';
  const [word = ''] = message.split(' ', 1);
  return CODES.has(word) ? word : 'ERR';
}

export function failureOf(error: Error): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  if (!isReply(error)) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const isTls = /CERT|ERR_TLS|ERR_SSL|EPROTO|UNABLE_TO/.test(code);
    return failure(
      isTls ? `TLS to Redis fails (${code})` : 'Redis does not answer',
      causeOf(error),
    );
  }
  const code = codeOf(error);
  const [, refused = ''] = (code === 'NOPERM' && /'(\w+)'/.exec(error.message)) || [];
  const name = SCRIPTED.has(refused) ? refused : error.command?.name;
  const to = name?.toUpperCase() ?? 'a command';
  return failure(`${MEANINGS[code] ?? 'Redis answers with an error'} (${code} to ${to})`);
}

/** @param cause only for the log */
export function failure(shown: string, cause?: string): StoreUnavailable {
  return new StoreUnavailable(cause === undefined ? shown : `${shown}: ${cause}`, { shown });
}

/** A slot has no master, or its master is not connected. */
export const NO_MASTER = 'No master of the cluster is known';

const UNEXPECTED = 'Redis sent an unexpected reply: check the proxy between Postern and Redis';

/** The failure after a reply of another form. It never quotes the reply. */
export const unexpected = () => failure(UNEXPECTED);

/** Whether a reply may belong to another command. All later replies on its connection may, too. */
export const isOutOfStep = ({ message }: Error) => message === UNEXPECTED;

/** Whether another attempt fails, too, until an operator changes Redis. */
export const isRefusal = ({ message }: Error) => /\((?:NOPERM|WRONGTYPE) to /.test(message);

const NO_CONNECTION = 'there is no connection: see the earlier lines';

/** What texts of ioredis and of Postern mean. Others can contain a reply. */
const CAUSES: ReadonlyMap<string, string> = new Map([
  [TIMED_OUT, 'no reply within POSTERN_STORE_TIMEOUT_MS'],
  ['Connection is closed.', NO_CONNECTION],
  [
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    'the connection was lost before the reply',
  ],
  ["Stream isn't writeable and enableOfflineQueue options is false", NO_CONNECTION],
  ["Cluster isn't ready and enableOfflineQueue options is false", NO_CONNECTION],
  ['Failed to refresh slots cache.', 'no node sends the table of slots'],
  ['None of startup nodes is available', 'no node that POSTERN_STORE names answers'],
  [NO_MASTER, NO_MASTER],
]);

/** The reason. It omits the text of a system error, which can contain a name that a sentinel or a node has sent. */
function causeOf(error: Error): string {
  const {
    code,
    syscall,
    address = '',
    port,
  } = error as NodeJS.ErrnoException & Partial<AddressInfo>;
  const { message } = error;
  if (message.startsWith('Socket timeout')) return 'no reply in time';
  if (code === undefined) return CAUSES.get(message) ?? 'no valid reply';
  return [syscall, code, isIP(address) && `${address}:${port}`].filter(Boolean).join(' ');
}

/** A failure before the first reply: the URL may have the wrong scheme. */
export function handshakeFailure(error: Error, isTls: boolean): StoreUnavailable {
  const { code = '' } = error as NodeJS.ErrnoException;
  const isOther = (isTls ? ['ETIMEDOUT'] : ['ECONNRESET', 'EPIPE']).includes(code);
  if (!isOther) return failureOf(error);
  const shown = isTls
    ? 'Redis does not answer in TLS (is it a TLS port, or is it redis://?)'
    : 'Redis ends the connection before it answers (is it a TLS port, for rediss://?)';
  return failure(shown, causeOf(error));
}

/** Whether Redis did not reply, so that the state of the connection has the reason. */
export function isSilence(error: Error): boolean {
  return !isReply(error) && !(error instanceof StoreUnavailable);
}

/** Whether the connection was lost before the reply. */
export function isLoss(error: Error): boolean {
  return isSilence(error) && error.message !== TIMED_OUT;
}

type Meanings = ReadonlyArray<readonly [pattern: RegExp, shown: string]>;

const meaningOf = (message: string, meanings: Meanings): string | undefined =>
  meanings.find(([pattern]) => pattern.test(message))?.[1];

const SENTINEL_MEANINGS: Meanings = [
  [/invalid reply|No such master/, 'The sentinels do not know the master that POSTERN_STORE names'],
  [
    /WRONGPASS|ERR AUTH/,
    'A sentinel rejects POSTERN_STORE_SENTINEL_USERNAME or POSTERN_STORE_SENTINEL_PASSWORD',
  ],
  [/NOAUTH/, 'The sentinels require a password: set POSTERN_STORE_SENTINEL_PASSWORD'],
  [/NOPERM/, 'The user of the sentinels lacks a permission (NOPERM)'],
  [/unknown command/i, 'A server that POSTERN_STORE names is not a sentinel'],
  [/certificate|SSL|TLS/i, 'TLS to the sentinels fails'],
];

/** Codes of Node.js in the text of an error. */
const SYSTEM_CODE =
  /\b(ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT)\b/;

/** Why no sentinel named a master. ioredis keeps only the text of the cause, which may quote the sentinels' password. */
export function sentinelFailure(
  error: Error,
  { message }: Error = error,
): StoreUnavailable | undefined {
  if (!error.message.startsWith('All sentinels are unreachable')) return undefined;
  const shown = meaningOf(message, SENTINEL_MEANINGS) ?? 'No sentinel answers';
  return failure(shown, SYSTEM_CODE.exec(message)?.[0]);
}

const CLUSTER_MEANINGS: Meanings = [
  [/^CLUSTERDOWN/, 'The cluster is down, or a slot has no master (CLUSTERDOWN)'],
  [/^(MOVED|ASK|TRYAGAIN) /, 'A slot of the cluster is being moved'],
  [
    /cluster support disabled/,
    'Redis is not a node of a cluster: use redis:// or redis+sentinel:// in POSTERN_STORE',
  ],
];

/** Does the same as `failureOf`, for a node of a cluster. */
export function clusterFailure(error: Error): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  const shown = meaningOf(error.message, CLUSTER_MEANINGS);
  return shown === undefined ? failureOf(error) : failure(shown);
}
