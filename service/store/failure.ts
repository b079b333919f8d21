import { StoreUnavailable } from '../domain/store.ts';

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
  OOM: 'Redis is out of memory',
  NOREPLICAS: 'Redis has fewer replicas than min-replicas-to-write',
  MISCONF: 'Redis cannot save its data to disk',
};

interface ReplyError extends Error {
  readonly command?: { readonly name: string };
}

export function isReply(error: Error): error is ReplyError {
  return error.name === 'ReplyError';
}

export function codeOf({ message }: ReplyError): string {
  return /^[A-Z]{2,20}(?= |$)/.exec(message)?.[0] ?? 'ERR';
}

/**
 * Why a command or the connection failed. An error reply is reduced to its code and command: its text
 * and the error object may hold arguments, which include records and the password.
 */
export function failureOf(error: Error): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  if (!isReply(error)) return new StoreUnavailable(error.message, { shown: shownOf(error) });
  const code = codeOf(error);
  const command = error.command?.name.toUpperCase() ?? 'a command';
  const message = `${MEANINGS[code] ?? 'Redis answers with an error'} (${code} to ${command})`;
  return new StoreUnavailable(message, { shown: message });
}

function shownOf(error: Error): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (/CERT|ERR_TLS|ERR_SSL|EPROTO|UNABLE_TO/.test(code)) return `TLS to Redis fails (${code})`;
  return 'Redis does not answer';
}

/** A failure before the first reply: the URL may have the wrong scheme. */
export function handshakeFailure(error: Error, isTls: boolean): StoreUnavailable {
  const { code } = error as NodeJS.ErrnoException;
  if (isTls && code === 'ETIMEDOUT') {
    const shown = 'Redis does not answer in TLS (is it a TLS port, or is it redis://?)';
    return new StoreUnavailable(`${error.message}: ${shown}`, { shown });
  }
  if (!isTls && (code === 'ECONNRESET' || code === 'EPIPE')) {
    const shown = 'Redis ends the connection before it answers (is it a TLS port, for rediss://?)';
    return new StoreUnavailable(`${error.message}: ${shown}`, { shown });
  }
  return failureOf(error);
}

/** Whether Redis did not reply, so that the state of the connection has the reason. */
export function isSilence(error: Error): boolean {
  return !isReply(error) && !(error instanceof StoreUnavailable);
}

type Meanings = ReadonlyArray<readonly [pattern: RegExp, shown: string]>;

const meaningOf = (message: string, meanings: Meanings): string | undefined =>
  meanings.find(([pattern]) => pattern.test(message))?.[1];

const SENTINEL_MEANINGS: Meanings = [
  [/invalid reply|No such master/, 'The sentinels do not know the master that POSTERN_STORE names'],
  [
    /WRONGPASS|ERR AUTH/,
    'A sentinel rejects POSTERN_SENTINEL_USERNAME or POSTERN_SENTINEL_PASSWORD',
  ],
  [/NOAUTH/, 'The sentinels require a password: set POSTERN_SENTINEL_PASSWORD'],
  [/NOPERM/, 'The user of the sentinels lacks a permission (NOPERM)'],
  [/certificate|SSL|TLS/i, 'TLS to the sentinels fails'],
];

/**
 * Why no sentinel named a master; undefined for any other error. ioredis reports the cause as another
 * error, and keeps only its text.
 */
export function sentinelFailure(
  error: Error,
  { message }: Error = error,
): StoreUnavailable | undefined {
  if (!error.message.startsWith('All sentinels are unreachable')) return undefined;
  const shown = meaningOf(message, SENTINEL_MEANINGS) ?? 'No sentinel answers';
  return new StoreUnavailable(message, { shown });
}

const CLUSTER_MEANINGS: Meanings = [
  [/^CLUSTERDOWN/, 'The cluster is down, or a slot has no master (CLUSTERDOWN)'],
  [/^(Too many Cluster redirections|MOVED |ASK )/, 'A slot of the cluster is being moved'],
  [
    /cluster support disabled/,
    'Redis is not a node of a cluster: use redis:// or redis+sentinel:// in POSTERN_STORE',
  ],
];

/** As `failureOf`, for a node of a cluster. */
export function clusterFailure(error: Error): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  const shown = meaningOf(error.message, CLUSTER_MEANINGS);
  return shown === undefined ? failureOf(error) : new StoreUnavailable(shown, { shown });
}

const OLDEST = 7;

/** Throws if INFO server names a version that is too old. Valkey reports a version of Redis, too. */
export function requireVersion(info: string): void {
  const version = /^redis_version:(\S+)/m.exec(info)?.[1];
  if (version === undefined || Number.parseInt(version, 10) >= OLDEST) return;
  const shown = `Redis ${version} is too old: Postern needs Redis ${OLDEST}.0 or newer, or Valkey`;
  throw new StoreUnavailable(shown, { shown });
}
