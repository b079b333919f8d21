import type { Heard, Request } from './raw-http.ts';
import type { Api, Token } from './service.ts';

/** The file that the doctor requests, with and without a valid token. */
export interface Canary {
  /** Decoded, as the API has it. */
  readonly path: string;
  /** The same in the form of a request line. */
  readonly target: string;
  readonly body: Buffer;
}

/** The mount of the canary, in the form of a request line. */
export interface Mount {
  /** The public prefix. */
  readonly prefix: string;
  /** The canary's path below it. */
  readonly rest: string;
}

/** What a check works with. */
export interface Site {
  readonly api: Api;
  readonly canary: Canary;
  /** Undefined where the key may not issue tokens for folders. */
  readonly mount: Mount | undefined;
  /** The internal prefix. */
  readonly internal: string | undefined;
  /** Names of folders that could contain the files. */
  readonly folders: readonly string[];
  /** Seconds for which nginx may reuse an answer. */
  readonly decisionTtl: number;
  /** A name that no file has, different in each run. */
  readonly mark: string;
  /** @throws NoAnswer */
  ask(request: Request): Promise<Heard>;
  /** A token for the canary. */
  issue(fields?: object): Promise<Token>;
  /** Shows progress. */
  say(what: string): void;
  /** Rejects when the run is stopped. */
  pause(milliseconds: number): Promise<void>;
}

/** The path of a file beside the canary that does not exist. */
export function absent({ canary, mark }: Site, ending = '.txt'): { path: string; target: string } {
  const beside = (path: string) => path.slice(0, path.lastIndexOf('/') + 1) + mark + ending;
  return { path: beside(canary.path), target: beside(canary.target) };
}

export function withToken(target: string, token: string): string {
  return `${target}${target.includes('?') ? '&' : '?'}token=${token}`;
}

export function bearer(token: string): Readonly<Record<string, string>> {
  return { Authorization: `Bearer ${token}` };
}
