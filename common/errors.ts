import { getSystemErrorMap } from 'node:util';
import { escapeControls } from './terminal.ts';

/** The command cannot do what was asked. The message never contains a part of a key. Exit code 1. */
export class Failure extends Error {
  override readonly name: string = 'Failure';
}

/** The command line or the configuration is invalid. Exit code 2. */
export class UsageError extends Failure {
  override readonly name = 'UsageError';
}

/** The texts of the system, such as "no such file or directory", by the codes of errors. */
const SYSTEM = new Map(getSystemErrorMap().values());

/** Reasons that replace unclear texts of the system, and those for codes that the system does not have. */
const REASONS: Readonly<Record<string, string>> = {
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EPERM: 'operation not permitted for this user or on this file system',
  // Postern reads only standard input without blocking.
  EAGAIN: 'standard input is empty',
  ECONNRESET: 'the server closed the connection',
  UND_ERR_SOCKET: 'the server closed the connection',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'cannot look up the host name',
  UND_ERR_CONNECT_TIMEOUT: 'connection timed out',
};

/** Why a file or the network failed, in plain words. */
export function systemReason(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? SYSTEM.get(code) ?? escapeControls(message);
}

/** Undefined if it fails, for example if a text is not JSON: JSON has no undefined. */
export function tryTo<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
