import {
  type Grant,
  isFolder,
  type KnownRequester,
  resumableUntil,
  type Uses,
} from '../domain/grant.ts';
import { KEPT_FIELDS } from '../domain/grant-fields.ts';
import type { Store } from '../domain/store.ts';
import type { State } from './schema.ts';

const SHOWN_FIELDS = KEPT_FIELDS.filter(({ shown }) => shown);

/** A grant in the API's form, with times in whole seconds. */
export function stateOf(id: string, grant: Grant, requesters?: readonly KnownRequester[]): State {
  const { client, covers, uses } = grant;
  return {
    id,
    client_id: client,
    [isFolder(covers) ? 'prefix' : 'path']: covers,
    ...Object.fromEntries(SHOWN_FIELDS.map(({ name, property }) => [name, grant[property]])),
    max_uses: uses?.max,
    resume_for: uses?.resumeFor,
    bind: uses && (uses.cookieOnly ? 'cookie' : 'any'),
    ...(uses && requesters && usageOf(uses, requesters, grant.expiresAt)),
    format: grant.signedUntil === undefined ? undefined : 'jwt',
    iat: seconds(grant.issuedAt),
    exp: seconds(grant.expiresAt),
  };
}

/** As `stateOf`, with the requesters. */
export async function wholeStateOf(store: Store, id: string, grant: Grant): Promise<State> {
  return stateOf(id, grant, grant.uses && (await store.requesters(id)));
}

function usageOf(uses: Uses, requesters: readonly KnownRequester[], expiresAt: number) {
  const until = (one: KnownRequester) => seconds(Math.max(expiresAt, resumableUntil(uses, one)));
  const last = requesters.at(-1);
  return {
    uses_left: uses.max === undefined ? undefined : uses.max - requesters.length,
    // The latest time at which any of them can resume.
    resumable_until: last && until(last),
    requesters: requesters.map((requester) => ({
      address: requester.address,
      began: seconds(requester.began),
      resumable_until: until(requester),
    })),
  };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
