import { KEY } from '../support/postern.ts';
import type { Site } from '../support/site.ts';

/** The API's state of a token whose requesters are distinguished. */
export interface State {
  readonly uses_left: number;
  readonly requesters: ReadonlyArray<{ readonly address: string; readonly began: number }>;
}

/** `GET /tokens/{id}` */
export async function stateOf(site: Site, id: string): Promise<State> {
  return (await askOf(site, 'GET', id)).json() as Promise<State>;
}

/** `DELETE /tokens/{id}` */
export async function revoke(site: Site, id: string): Promise<void> {
  await askOf(site, 'DELETE', id);
}

/** `PATCH /tokens/{id}` */
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
