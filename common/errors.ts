import { escapeControls } from './terminal.ts';

/** The command cannot do what was asked. The message never contains a part of a key. Exit code 1. */
export class Failure extends Error {
  override readonly name: string = 'Failure';
}

/** The command line or the configuration is invalid. Exit code 2. */
export class UsageError extends Failure {
  override readonly name = 'UsageError';
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted for this user or on this file system',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  // Postern reads only standard input without blocking.
  EAGAIN: 'standard input is empty',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the server closed the connection',
  UND_ERR_SOCKET: 'the server closed the connection',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'cannot look up the host name',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'no route to host',
  ETIMEDOUT: 'connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'connection timed out',
};

/** Why a file or the network failed, in plain words. */
export function systemReason(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? escapeControls(message);
}

/** Undefined if it fails, for example if a text is not JSON: JSON has no undefined. */
export function tryTo<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
