import type { Client } from './client.ts';
import { type Faults, Refused } from './errors.ts';
import { type Grant, isFolder } from './grant.ts';
import { aboveFault } from './lifetime.ts';
import type { Mounts } from './mount.ts';
import { faultReach } from './reach.ts';
import type { Store } from './store.ts';

export type Prolong = (
  client: Client,
  id: string,
  /** Seconds from now. */
  expiresIn: number,
) => Promise<Grant | undefined>;

export interface ProlongOptions {
  readonly mounts: Mounts;
  readonly store: Store;
  readonly now: () => number;
}

/** Lets a client's live grant end at another time, within what it may and what was signed. */
export function createProlong({ mounts, store, now }: ProlongOptions): Prolong {
  return async function prolong(client, id, expiresIn) {
    refuse(aboveFault(expiresIn, client.maxExpiresIn));
    const grant = await store.find(id);
    if (grant?.client !== client.id) return undefined;
    const expiresAt = now() + expiresIn * 1000;
    if (expiresAt > grant.expiresAt) refuseReach(grant, client, mounts);
    refuse(signedFault(grant, expiresAt));
    return store.prolong(id, client.id, expiresAt);
  };
}

/** A grant that the client could not get now, by its limits or the mounts, does not last longer. */
function refuseReach(grant: Grant, client: Client, mounts: Mounts): void {
  const { covers, site, target, targetArgs } = grant;
  const mount = mounts.all.find(({ id }) => id === grant.mount);
  const faults: Faults = { malformed: [], beyond: [] };
  if (mount !== undefined) {
    const field = isFolder(covers) ? 'prefix' : 'path';
    const place = { mount, covers, field, ...(site !== undefined && { site }) } as const;
    faultReach({ target, target_args: targetArgs }, place, client, mounts, '', faults);
  }
  if (mount === undefined || faults.malformed.length > 0 || faults.beyond.length > 0) {
    const detail = 'The token is unchanged: this client could not issue it now.';
    throw new Refused('insufficient_scope', detail);
  }
}

/** What was signed ends when it says so: nobody can take that back, or make it longer. */
function signedFault({ foreign, signedUntil, uses }: Grant, expiresAt: number): string | undefined {
  if (foreign) return 'cannot be changed: it stands in a token that someone else has signed';
  if (signedUntil === undefined) return undefined;
  const latest = signedUntil - (uses?.resumeFor ?? 0) * 1000;
  if (expiresAt <= latest) return undefined;
  return `must not end after ${new Date(latest).toISOString()}, as the JWT says`;
}

function refuse(detail: string | undefined): void {
  if (detail === undefined) return;
  const faults = [{ pointer: '/expires_in', detail }];
  throw new Refused('invalid_request', 'The request is not valid.', faults);
}
