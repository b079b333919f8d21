import { writeFile } from 'node:fs/promises';

/** When a request was sent and when its response had arrived, in milliseconds of one clock. */
interface Times {
  readonly start: number;
  readonly end: number;
}

export interface Issue extends Times {
  readonly op: 'issue';
  readonly tokens: readonly string[];
  readonly file: string;
  /** Only one requester may open it. */
  readonly single: boolean;
  readonly outcome: 'done' | 'unknown';
}

export interface Open extends Times {
  readonly op: 'open';
  readonly token: string;
  readonly file: string;
  readonly requester: string;
  /** Whether the token is a single-use token. */
  readonly single: boolean;
  readonly outcome: 'opened' | 'denied' | 'unknown';
}

export interface Revoke extends Times {
  readonly op: 'revoke';
  readonly by: 'id' | 'token' | 'subject';
  readonly tokens: readonly string[];
  /** `done` also for "no such token": then the client expects that the token opens nothing. */
  readonly outcome: 'done' | 'unknown';
}

/**
 * One request and its outcome. `unknown` is a response 503, another error, or no response: the operation
 * may have taken effect or not, and may still do so.
 */
export type Operation = Issue | Open | Revoke;

/** JSON lines, for a person who looks for the cause of a violation. */
export async function writeHistory(file: string, history: readonly Operation[]): Promise<void> {
  await writeFile(file, history.map((operation) => `${JSON.stringify(operation)}\n`).join(''));
}
