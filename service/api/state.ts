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

/** A grant as the API lists it: the fields it was issued with, and its times in whole seconds. */
export function stateOf(id: string, grant: Grant, requesters?: readonly KnownRequester[]): State {
  const { client, covers, uses } = grant;
  return {
    id,
    client_id: client,
    [isFolder(covers) ? 'prefix' : 'path']: covers,
    ...shownFieldsOf(grant),
    max_uses: uses?.max,
    resume_for: uses?.resumeFor,
    bind: uses && (uses.cookieOnly ? 'cookie' : 'any'),
    ...(uses && requesters && usedBy(uses, requesters, grant.expiresAt)),
    format: grant.signedUntil === undefined ? undefined : 'jwt',
    iat: seconds(grant.issuedAt),
    exp: seconds(grant.expiresAt),
  };
}

function shownFieldsOf(grant: Grant): Partial<State> {
  const shown = KEPT_FIELDS.filter((field) => field.shown);
  return Object.fromEntries(shown.map(({ name, property }) => [name, grant[property]]));
}

/** The whole state, with who uses it. */
export async function wholeStateOf(store: Store, id: string, grant: Grant): Promise<State> {
  return stateOf(id, grant, grant.uses && (await store.requesters(id)));
}

function usedBy(uses: Uses, requesters: readonly KnownRequester[], expiresAt: number) {
  const until = (one: KnownRequester) => seconds(Math.max(expiresAt, resumableUntil(uses, one)));
  const last = requesters.at(-1);
  return {
    uses_left: uses.max === undefined ? undefined : uses.max - requesters.length,
    // When none of them can go on any more.
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
