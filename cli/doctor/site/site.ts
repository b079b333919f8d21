import { Problem, type Api as Service } from '../../api-client.ts';
import { Failure } from '../../failure.ts';
import type { Heard, Request } from './raw-http.ts';

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

export interface Token {
  readonly id: string;
  readonly token: string;
  /** The path and query that use it. */
  readonly target: string;
}

export interface TokenState {
  readonly requesters?: readonly { readonly address?: string }[];
}

/** Postern's API, as far as the doctor needs it. Each call throws a Failure where it does not answer. */
export interface Api {
  /** Also throws a Failure where Postern refuses. */
  issue(fields: object): Promise<Token>;
  /** Undefined where Postern refuses: it is beyond this key, or makes no sense for this mount. */
  issueIfMay(fields: object): Promise<Token | undefined>;
  revoke(id: string): Promise<void>;
  /** Undefined where it has ended. */
  show(id: string): Promise<TokenState | undefined>;
  /** Revokes all that it has issued. */
  revokeAll(): Promise<void>;
  /** Every token so far. */
  readonly issued: readonly string[];
}

/** Seconds. Long enough for each check, which issues its own. */
const EXPIRES_IN = 60;

/** All tokens have one subject, by which they are revoked together. */
export function createApi(service: Service, subject: string): Api {
  const issued: string[] = [];

  async function issue(fields: object): Promise<Token> {
    const asked = JSON.stringify({ expires_in: EXPIRES_IN, subject, ...fields });
    const answer = (await service.ask('POST', '/tokens', asked)) as Record<string, unknown>;
    const { access_token: token, id, url } = answer;
    if (typeof token !== 'string' || typeof id !== 'string' || typeof url !== 'string') {
      throw new Failure('the API sent a response that is not from Postern');
    }
    issued.push(token);
    return { token, id, target: url.replace(/^[a-z]+:\/\/[^/]+/i, '') };
  }

  return {
    issued,
    issue,
    issueIfMay: (fields) => issue(fields).catch(unless('invalid_request', 'insufficient_scope')),
    async revoke(id) {
      await service.ask('DELETE', `/tokens/${id}`).catch(unless('not_found'));
    },
    async show(id) {
      return (await service.ask('GET', `/tokens/${id}`).catch(unless('not_found'))) as
        | TokenState
        | undefined;
    },
    async revokeAll() {
      if (issued.length === 0) return;
      await service.ask('DELETE', `/tokens?${new URLSearchParams({ subject })}`);
    },
  };
}

function unless(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof Problem && codes.includes(error.code)) return undefined;
    throw error;
  };
}
