import { type ApiClient, Problem } from '../../common/api-client.ts';
import { Failure } from '../../common/errors.ts';
import type { Request, SiteResponse } from './http.ts';

/** The file that the doctor requests, with and without a valid token. */
interface Canary {
  /** Decoded, as in the API. */
  readonly path: string;
  /** Encoded, as in a request line. */
  readonly target: string;
  readonly body: Buffer;
}

/** The mount of the canary, encoded as in a request line. */
export interface CanaryMount {
  readonly prefix: string;
  /** The path of the canary below the prefix. */
  readonly rest: string;
}

export interface TestedSite {
  readonly api: DoctorApi;
  readonly canary: Canary;
  /** Undefined if the key may not issue tokens for folders. */
  readonly mount: CanaryMount | undefined;
  readonly internal?: string | undefined;
  /** Names of folders that could contain the files. */
  readonly folders: readonly string[];
  /** File extensions for which the site could have locations. */
  readonly extensions: readonly string[];
  /** Seconds for which nginx may cache a decision. */
  readonly decisionTtl: number;
  /** A name that no file has, different in each run. */
  readonly mark: string;
  /** @throws NoAnswer */
  ask(request: Request): Promise<SiteResponse>;
  /** A token for the canary. */
  issue(fields?: object): Promise<TestToken>;
  /** Shows progress. */
  say(what: string): void;
  /** Rejects when the run is stopped. */
  pause(milliseconds: number): Promise<void>;
}

/** The path of a file beside the canary that does not exist. */
export function missingFile(
  { canary, mark }: TestedSite,
  ending = '.txt',
): { path: string; target: string } {
  const beside = (path: string) => path.slice(0, path.lastIndexOf('/') + 1) + mark + ending;
  return { path: beside(canary.path), target: beside(canary.target) };
}

export function withToken(target: string, token: string): string {
  return `${target}${target.includes('?') ? '&' : '?'}token=${token}`;
}

/** An address that no client has (RFC 5737). */
export const NOBODY = '192.0.2.1';

export function bearer(token: string): Readonly<Record<string, string>> {
  return { Authorization: `Bearer ${token}` };
}

export function cookie(token: string): Readonly<Record<string, string>> {
  return { Cookie: `postern=${token}` };
}

export interface TestToken {
  readonly id: string;
  readonly token: string;
  /** The path and query that use it. */
  readonly target: string;
}

interface TokenState {
  readonly requesters?: readonly { readonly address?: string }[];
}

/** Seconds. Each check issues its own tokens. */
const EXPIRES_IN = 60;

export type DoctorApi = ReturnType<typeof createDoctorApi>;

/**
 * The part of Postern's API that the doctor needs. All tokens have one subject, so that one request revokes
 * them. Each call throws a Failure if the API does not answer.
 */
export function createDoctorApi(client: ApiClient, subject: string) {
  /** All tokens of this run. */
  const issued: string[] = [];

  /** Throws a Failure if the API rejects the request. */
  async function issue(fields: object): Promise<TestToken> {
    const asked = JSON.stringify({ expires_in: EXPIRES_IN, subject, ...fields });
    const answer = (await client.ask('POST', '/tokens', asked)) as Record<string, unknown>;
    const { access_token: token, id, url } = answer;
    if (typeof token !== 'string' || typeof id !== 'string' || typeof url !== 'string') {
      throw new Failure('the API sent a response that is not from Postern');
    }
    issued.push(token);
    return { token, id, target: url.replace(/^[a-z]+:\/\/[^/]+/i, '') };
  }

  /** Undefined if the API rejects the request: the key or the mount does not allow it. */
  function issueIfMay(fields: object): Promise<TestToken | undefined> {
    return issue(fields).catch(unless('invalid_request', 'insufficient_scope'));
  }

  async function revoke(id: string): Promise<void> {
    await client.ask('DELETE', `/tokens/${id}`).catch(unless('not_found'));
  }

  /** Undefined if the token has expired or was revoked. */
  async function show(id: string): Promise<TokenState | undefined> {
    const state = await client.ask('GET', `/tokens/${id}`).catch(unless('not_found'));
    return state as TokenState | undefined;
  }

  async function revokeAll(): Promise<void> {
    if (issued.length === 0) return;
    await client.ask('DELETE', `/tokens?${new URLSearchParams({ subject })}`);
  }

  return { issued, issue, issueIfMay, revoke, show, revokeAll };
}

function unless(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof Problem && codes.includes(error.document.code)) return undefined;
    throw error;
  };
}
