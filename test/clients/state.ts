import { waitFor } from '../harness/wait.ts';
import { KEY } from '../support/postern.ts';
import type { Site } from '../support/site.ts';

/** The API's state of a token whose requesters are distinguished. */
export interface State {
  readonly uses_left: number;
  readonly requesters: ReadonlyArray<{ readonly address: string; readonly began: number }>;
}

export async function stateOf(site: Site, id: string): Promise<State> {
  return (await askOf(site, 'GET', id)).json() as Promise<State>;
}

export async function revoke(site: Site, id: string): Promise<void> {
  await askOf(site, 'DELETE', id);
}

export async function endIn(site: Site, id: string, seconds: number): Promise<void> {
  await askOf(site, 'PATCH', id, JSON.stringify({ expires_in: seconds }));
}

async function askOf({ postern }: Site, method: string, id: string, body?: string) {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  const init = { method, headers, ...(body !== undefined && { body }) };
  const response = await postern.api.request(`/tokens/${id}`, init);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response;
}

/** The state of a single-use token that a client at this address has used. */
export function usedOnceFrom(address: string) {
  return { uses_left: 0, requesters: [{ address }] };
}

/** A line of the log in the snippets' own format. */
export interface LogLine {
  readonly address: string;
  readonly request: string;
  readonly status: number;
  readonly bytes: number;
  /** `OK` if nginx sent everything, else empty. */
  readonly completion: string;
  readonly token_id: string;
  readonly code: string;
}

/** The lines of one token, in the order in which nginx finished the requests. */
export async function linesOf(site: Site, tokenId: string): Promise<LogLine[]> {
  const lines = (await site.log()).split('\n').slice(0, -1);
  const all = lines.map((line): LogLine => JSON.parse(line));
  return all.filter(({ token_id }) => token_id === tokenId);
}

/** nginx writes a line when it has finished a request, which can be after its client has ended. */
export function waitForLines(
  site: Site,
  tokenId: string,
  areAll: (lines: LogLine[]) => boolean,
): Promise<LogLine[]> {
  const found = async () => {
    const lines = await linesOf(site, tokenId);
    return areAll(lines) && lines;
  };
  return waitFor(found, { what: "the requests in nginx's log" });
}
