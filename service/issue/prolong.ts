import type { Mounts } from '../paths/mount.ts';
import type { Client } from '../token/client.ts';
import type { Grant } from '../token/grant.ts';
import { FieldErrors, RequestError } from '../token/request-error.ts';
import type { IssueOptions } from './issue.ts';
import { checkReach } from './reach.ts';
import { maxError } from './rules.ts';

/** Changes the end of a client's live grant to `expiresIn` seconds from now, within its limits and what was signed. */
export async function prolong(
  { mounts, store, now }: Pick<IssueOptions, 'mounts' | 'store' | 'now'>,
  client: Client,
  id: string,
  expiresIn: number,
): Promise<Grant | undefined> {
  refuse(maxError(expiresIn, client.maxExpiresIn));
  const { grant } = await store.find(id);
  const expiresAt = now() + expiresIn * 1000;
  // The store decides even if the grant is gone: it may have to acknowledge that it ended earlier.
  if (grant?.client !== client.id) return store.prolong(id, client.id, expiresAt);
  if (expiresAt > grant.expiresAt) refuseReach(grant, client, mounts);
  refuse(signedError(grant, expiresAt));
  return store.prolong(id, client.id, expiresAt);
}

/** A client cannot prolong what its limits or the mounts would not let it issue now. */
function refuseReach(grant: Grant, client: Client, mounts: Mounts): void {
  const { covers, site, target, targetArgs, uses } = grant;
  const mount = mounts.all.find(({ id }) => id === grant.mount);
  const errors = new FieldErrors();
  errors.add('resume_for', maxError(uses?.resumeFor ?? 0, client.maxResumeFor));
  if (mount !== undefined) {
    const resolved = { mount, covers, ...(site !== undefined && { site }) };
    const checking = { client, mounts, errors };
    checkReach({ target, target_args: targetArgs }, resolved, checking);
  }
  if (mount === undefined || errors.all.length > 0) {
    const detail = 'The token is unchanged: this client could not issue it now.';
    throw new RequestError('insufficient_scope', detail);
  }
}

/** Why a token cannot end at a time: a JWT ends at the latest when its claims say so. */
function signedError({ external, signedUntil, uses }: Grant, expiresAt: number) {
  if (external) return 'cannot be changed: another issuer has signed it into the token';
  if (signedUntil === undefined) return undefined;
  const latest = signedUntil - (uses?.resumeFor ?? 0) * 1000;
  if (expiresAt <= latest) return undefined;
  return `must not end after ${new Date(latest).toISOString()}, as the JWT says`;
}

function refuse(detail: string | undefined): void {
  if (detail === undefined) return;
  const errors = [{ pointer: '/expires_in', detail }];
  throw new RequestError('invalid_request', 'The request is not valid.', errors);
}
