import type { Client } from './client.ts';
import { Refused } from './errors.ts';
import type { Grant } from './grant.ts';
import { aboveFault } from './lifetime.ts';
import type { Store } from './store.ts';

export type Prolong = (
  client: Client,
  id: string,
  /** Seconds from now. */
  expiresIn: number,
) => Promise<Grant | undefined>;

/** Lets a client's live grant end at another time, within what it may and what was signed. */
export function createProlong(store: Store, now: () => number): Prolong {
  return async function prolong(client, id, expiresIn) {
    refuse(aboveFault(expiresIn, client.maxExpiresIn));
    const grant = await store.find(id);
    if (grant?.client !== client.id) return undefined;
    const expiresAt = now() + expiresIn * 1000;
    refuse(signedFault(grant, expiresAt));
    return store.prolong(id, client.id, expiresAt);
  };
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
