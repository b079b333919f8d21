import { type ApiClient, Problem } from '../../common/api-client.ts';
import { Failure } from '../../common/errors.ts';
import { type Attempts, type CheckResult, failed, ok, untested } from './attempts.ts';
import { CLOSED, headerOf, NoAnswer, type Request, type SiteResponse } from './http.ts';

/** The mount of the canary, encoded as in a request line. */
export interface CanaryMount {
  readonly prefix: string;
  /** The path of the canary below the prefix. */
  readonly rest: string;
}

export interface DoctorSiteOptions {
  readonly path: string;
  readonly internal?: string;
  /** Names of folders that could contain the files. */
  readonly folders: readonly string[];
  /** File extensions for which the site could have locations. */
  readonly extensions: readonly string[];
  readonly connect?: string;
  /** Seconds for which nginx may cache a decision. */
  readonly decisionTtl: number;
  /** The ids of the checks to run; absent: all. */
  readonly only?: readonly string[];
  readonly json?: true;
}

type Expected = 'internal' | 'folders' | 'extensions' | 'decisionTtl';

interface Run extends Pick<DoctorSiteOptions, Expected> {
  readonly api: ReturnType<typeof createDoctorApi>;
  /** The file that the doctor requests: its path is decoded, its target encoded as in a request line. */
  readonly canary: { readonly path: string; readonly target: string; readonly body: Buffer };
  /** Undefined if the key may not issue tokens for folders. */
  readonly mount: CanaryMount | undefined;
  /** A name that no file has, different in each run. */
  readonly mark: string;
  /** @throws NoAnswer */
  ask(request: Request): Promise<SiteResponse>;
  say(what: string): void;
  /** Rejects when the run is stopped. */
  pause(milliseconds: number): Promise<void>;
}

const MAX_SIMULTANEOUS = 4;

/** So often a site closes the connection of the same request before this is its answer. */
const MAX_CLOSES = 3;

/** Attempts that a line of the report names for one response. */
const MAX_NAMED = 8;

export type TestedSite = ReturnType<typeof createTestedSite>;

export interface Check {
  readonly title: string;
  /** What an attacker can do. */
  readonly why: string;
  /** The directive that fixes it, or what to change. */
  readonly fix: string;
  run(site: TestedSite): Promise<CheckResult>;
}

/** The checks by their ids, which scripts use. */
export type Checks = Readonly<Record<string, Check>>;

export function createTestedSite(run: Run) {
  const { canary, mark, api, ask } = run;

  /** Whether the response contains a part of the canary, long enough to exclude chance. */
  function hasCanary({ body }: SiteResponse): boolean {
    return body.includes(canary.body.subarray(0, 16)) || body.includes(canary.body.subarray(-16));
  }

  function describe(answer: SiteResponse | string): string {
    if (typeof answer === 'string') return answer;
    return `${answer.status}${hasCanary(answer) ? ' and the file' : ''}`;
  }

  /** Denied, by nginx or by the gate. */
  const isDenial = (answer: SiteResponse) =>
    [400, 401, 403].includes(answer.status) && !hasCanary(answer);

  /** Denied by the gate itself: the response to a `deny all` of the site looks different. */
  const isGateDenial = (answer: SiteResponse) =>
    isDenial(answer) &&
    (/realm="?postern/.test(headerOf(answer, 'www-authenticate') ?? '') ||
      /"code":\s*"[a-z_]+"/.test(answer.body.toString('latin1')));

  /** Any response except the file or a part of it. */
  const isNotTheFile = (answer: SiteResponse) => !hasCanary(answer) && answer.status !== 206;

  /** The response, or the reason why there is none. A connection can close by chance, but not several times. */
  async function answerTo(request: Request, closes = 1): Promise<SiteResponse | string> {
    try {
      return await ask(request);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      if (error.message !== CLOSED) return `no answer: ${error.message}`;
      return closes < MAX_CLOSES ? answerTo(request, closes + 1) : CLOSED;
    }
  }

  /** Sends the requests, a few at a time, and compares each response with what is expected. */
  async function attempt(attempts: Attempts, isExpected = isDenial): Promise<CheckResult> {
    const seen = new Map<string, SiteResponse | string>();
    const left = Object.entries(attempts).values();
    const worker = async () => {
      for (const [name, request] of left) seen.set(name, await answerTo(request));
    };
    await Promise.all(Array.from({ length: MAX_SIMULTANEOUS }, worker));
    const rows = Object.keys(attempts).map((name) => {
      const answer = seen.get(name) ?? '';
      return { name, answer, seen: describe(answer) };
    });
    // `return 444` closes the connection, which sends no file.
    const answered = rows.filter(({ answer }) => answer !== CLOSED);
    const bad = answered.filter(({ answer }) => !isUnknown(answer) && !isExpected(answer));
    if (bad.length > 0) return failed(grouped(bad));
    const unknown = answered.filter(({ answer }) => isUnknown(answer));
    if (unknown.length > 0) return untested(grouped(unknown));
    const statuses = [...new Set(rows.map((row) => row.seen))].sort().join(', ');
    return ok(rows.length > 1 ? `${statuses} (${rows.length} requests)` : statuses);
  }

  /** The path of a file beside the canary that does not exist. */
  function missingFile(ending = '.txt') {
    const beside = (path: string) => path.slice(0, path.lastIndexOf('/') + 1) + mark + ending;
    return { path: beside(canary.path), target: beside(canary.target) };
  }

  /** A token, by default for the canary. */
  function issue(fields: object = {}) {
    return api.issue({ ...('prefix' in fields ? {} : { path: canary.path }), ...fields });
  }

  const expected = { isDenial, isGateDenial, isNotTheFile, isUnknown };
  return { ...run, ...expected, hasCanary, describe, answerTo, attempt, missingFile, issue };
}

/** The site or Postern is busy: the response proves nothing. */
const BUSY = [429, 503];

function isUnknown(answer: SiteResponse | string): answer is string {
  return typeof answer === 'string' || BUSY.includes(answer.status);
}

/** The names of the attempts, by what was seen. */
function grouped(rows: readonly { readonly seen: string; readonly name: string }[]): string {
  return [...new Set(rows.map(({ seen }) => seen))]
    .map((seen) => {
      const names = rows.filter((row) => row.seen === seen).map(({ name }) => name);
      const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
      return `${seen}: ${names.slice(0, MAX_NAMED).join(', ')}${more}`;
    })
    .join('; ');
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

/** Seconds. Each check issues its own tokens. */
export const EXPIRES_IN = 60;

/**
 * The part of Postern's API that the doctor needs. All tokens have one subject, so that one request revokes
 * them. Each call throws a Failure if the API does not answer.
 */
export function createDoctorApi(client: ApiClient, subject: string, host: string) {
  const issued: string[] = [];
  let site: string | undefined;

  const send = (fields: object) => {
    const asked = { expires_in: EXPIRES_IN, subject, site, ...fields };
    return client.ask('POST', '/tokens', JSON.stringify(asked));
  };

  /** Throws a Failure if the API rejects the request. */
  async function issue(fields: object) {
    const answer = await send(fields).catch((error) => {
      // Several sites have the prefix of the canary.
      if (!(error instanceof Problem) || error.document.errors[0]?.pointer !== '/site') throw error;
      site = host;
      return send(fields);
    });
    const { access_token: token, id, url } = answer as Record<string, unknown>;
    if (typeof token !== 'string' || typeof id !== 'string' || typeof url !== 'string') {
      throw new Failure('the API sent a response that is not from Postern');
    }
    issued.push(token);
    // The target is the path and the query that use the token.
    return { token, id, target: url.replace(/^[a-z]+:\/\/[^/]+/i, '') };
  }

  /** Undefined if the API rejects the request: the key or the mount does not allow it. */
  function issueIfMay(fields: object) {
    return issue(fields).catch(unless('invalid_request', 'insufficient_scope'));
  }

  async function revoke(id: string): Promise<void> {
    await client.ask('DELETE', `/tokens/${id}`).catch(unless('not_found'));
  }

  /** Undefined if the token has expired or was revoked. */
  async function show(id: string) {
    const state = await client.ask('GET', `/tokens/${id}`).catch(unless('not_found'));
    return state as { readonly requesters?: readonly { readonly address?: string }[] } | undefined;
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
