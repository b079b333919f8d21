import type { Heard, Request } from './raw-http.ts';
import type { Api, Token } from './service.ts';

/** The file that the doctor knows, and asks for with and without a right to it. */
export interface Canary {
  /** Decoded, as the API has it. */
  readonly path: string;
  /** The same as it stands in a request line. */
  readonly target: string;
  readonly body: Buffer;
}

/** Where the canary's folder lies, in the form of a request line. */
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
  /** Names of folders in which the files could lie. */
  readonly folders: readonly string[];
  /** Seconds for which nginx may reuse an answer. */
  readonly decisionTtl: number;
  /** A name that no file has, other in each run. */
  readonly mark: string;
  /** @throws NoAnswer */
  ask(request: Request): Promise<Heard>;
  /** A token for the canary. */
  issue(fields?: object): Promise<Token>;
  /** Says what is going on, where it takes a while. */
  say(what: string): void;
  /** Rejects when the run is stopped. */
  pause(milliseconds: number): Promise<void>;
}

/** The path of another file beside the canary, that is not there. */
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
