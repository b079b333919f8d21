import { addressRangeError } from '../site/address.ts';
import type { Mounts } from '../site/mount.ts';
import { encodePath, MAX_COOKIE_PATH_LENGTH } from '../site/path.ts';
import type { Client } from './client.ts';
import { type Grant, keptFieldsOf, type Uses } from './grant.ts';
import type { GrantRequest } from './grant-fields.ts';
import type { RequestErrors } from './refused.ts';
import { checkReach, type ResolvedMount, resolveMount } from './target.ts';

/** A grant whose times are not set yet. */
export interface PreparedGrant {
  readonly grant: Omit<Grant, 'issuedAt' | 'expiresAt'>;
  readonly resolved: ResolvedMount;
  readonly expiresIn: number;
}

/** Seconds, for requests that name none. */
export interface Defaults {
  readonly expiresIn: number;
  /** For tokens with `max_uses`. */
  readonly resumeFor: number;
}

/** Checks a client's request for a token: the grant that it asks for, or additions to `errors`. */
export function prepareGrant(
  request: GrantRequest,
  client: Client,
  { mounts, defaults }: { readonly mounts: Mounts; readonly defaults: Defaults },
  errors: RequestErrors,
): PreparedGrant | undefined {
  const resolved = resolveMount(request, client, mounts, errors);
  const { expiresIn, uses } = lifetimeOf(request, client, defaults, errors);
  for (const [i, range] of (request.ip ?? []).entries()) {
    errors.add(`ip/${i}`, addressRangeError(range));
  }
  if (request.pin !== undefined && !request.confirm) {
    errors.add('pin', 'needs confirm: a person types it to confirm');
  }
  if (resolved === undefined) return undefined;
  checkFolder(request, resolved, errors);
  checkReach(request, resolved, client, mounts, errors);
  const grant = { ...grantOf(request, client, resolved), ...(uses !== undefined && { uses }) };
  return { grant, resolved, expiresIn };
}

/** `cookie`, `listing` and `index` are for folders that have a URL. */
function checkFolder(
  request: GrantRequest,
  { field, covers, mount }: ResolvedMount,
  errors: RequestErrors,
): void {
  for (const name of ['cookie', 'listing', 'index'] as const) {
    if (!request[name]) continue;
    if (field === 'path') {
      const why = name === 'cookie' ? 'the cookie is for a folder' : 'a file has no list of files';
      errors.add(name, `needs a prefix: ${why}`);
    }
    if (mount.pathArgument !== undefined) {
      errors.add(name, 'needs a mount that takes paths from the URL, not from an argument');
    }
  }
  if (request.cookie && encodePath(covers).length > MAX_COOKIE_PATH_LENGTH) {
    const most = `${MAX_COOKIE_PATH_LENGTH} characters, percent-encoded`;
    errors.add('cookie', `needs a prefix of at most ${most}`);
  }
  if (request.listing && mount.sign !== undefined) {
    errors.add('listing', 'needs a folder on a disk: nginx cannot list an object store');
  }
  if (request.listing && request.index) {
    errors.add(
      'index',
      'must not be true with listing: a folder is listed, or its index.html opened',
    );
  }
}

function grantOf(
  request: GrantRequest,
  client: Client,
  { mount, site, covers }: ResolvedMount,
): PreparedGrant['grant'] {
  const { site: _, subject = client.subject, ...kept } = keptFieldsOf(request);
  return {
    client: client.id,
    mount: mount.id,
    covers,
    ...(site !== undefined && { site }),
    ...(subject !== undefined && { subject }),
    ...kept,
  };
}

function lifetimeOf(
  request: GrantRequest,
  client: Client,
  defaults: Defaults,
  errors: RequestErrors,
): { expiresIn: number; uses: Uses | undefined } {
  const { max_uses: max, bind } = request;
  const expiresIn = request.expires_in ?? Math.min(defaults.expiresIn, client.maxExpiresIn);
  const usual = max === undefined ? 0 : Math.min(defaults.resumeFor, client.maxResumeFor);
  const resumeFor = request.resume_for ?? usual;
  errors.add('expires_in', maxError(expiresIn, client.maxExpiresIn));
  errors.add('resume_for', maxError(resumeFor, client.maxResumeFor));
  if (max === undefined && resumeFor === 0 && !request.confirm) {
    if (bind)
      errors.add(
        'bind',
        'needs max_uses, resume_for or confirm: requesters are not counted without',
      );
    return { expiresIn, uses: undefined };
  }
  const uses: Uses = {
    ...(max !== undefined && { max }),
    resumeFor,
    // One correct PIN must not open the link for all clients at the same address.
    ...((bind ?? (request.pin && 'cookie')) === 'cookie' && { cookieOnly: true }),
  };
  return { expiresIn, uses };
}

/** Why a client may not use a number of seconds; undefined if it may. */
export function maxError(seconds: number, max: number): string | undefined {
  return seconds <= max ? undefined : `must be at most ${max}, this client's maximum`;
}
