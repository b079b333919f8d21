import { addressRangeError } from '../address.ts';
import type { Mount } from '../paths/mount.ts';
import { encodePath, MAX_COOKIE_PATH_LENGTH } from '../paths/path.ts';
import { type Grant, isFolder, keptFieldsOf, type Uses } from '../token/grant.ts';
import type { GrantRequest } from '../token/grant-fields.ts';
import type { Signer } from '../token/look-up.ts';
import type { FieldErrors } from '../token/request-error.ts';
import { type Checking, checkReach, type ResolvedMount, resolveMount } from './reach.ts';

/** A grant whose times are not set yet. */
export interface PreparedGrant {
  readonly grant: Omit<Grant, 'issuedAt' | 'expiresAt'>;
  readonly mount: Mount;
  readonly expiresIn: number;
}

/** Seconds, for requests that name none. */
export interface Defaults {
  readonly expiresIn: number;
  /** The default for tokens with `max_uses`. */
  readonly resumeFor: number;
}

export type Format = 'opaque' | 'jwt';

export interface Requestable {
  /** The value for requests that name none. */
  readonly format: Format;
  /** Absent: no key is configured. */
  readonly signer?: Signer;
  /** Whether nginx reports what it sends. */
  readonly countsBytes: boolean;
  readonly now: () => number;
}

/** Checks a request, whose types fields.ts has checked: the grant that it asks for, or additions to `errors`. */
export function prepareGrant(
  request: GrantRequest,
  checking: Checking & { readonly defaults: Defaults },
): PreparedGrant | undefined {
  const { client, errors } = checking;
  const resolved = resolveMount(request, checking);
  const { expiresIn, uses } = lifetimeOf(request, checking);
  for (const [i, range] of (request.ip ?? []).entries()) {
    errors.add(`ip/${i}`, addressRangeError(range));
  }
  if (request.pin !== undefined && !request.confirm) {
    errors.add('pin', 'needs confirm: a person types it to confirm');
  }
  if (resolved === undefined) return undefined;
  if (resolved.mount.downloadTime !== undefined && uses?.cookieOnly && !request.confirm) {
    const why = 'the second slice of a download would come without the cookie';
    errors.add('bind', `cookie needs confirm on a mount with download_time: ${why}`);
  }
  checkFolder(request, resolved, errors);
  checkReach(request, resolved, checking);
  const { mount, site, covers } = resolved;
  const { site: _, subject = client.subject, ...kept } = keptFieldsOf(request);
  const grant = {
    client: client.id,
    mount: mount.id,
    covers,
    ...(site !== undefined && { site }),
    ...(subject !== undefined && { subject }),
    ...kept,
    ...(uses !== undefined && { uses }),
    ...(mount.downloadTime !== undefined && { downloadTime: mount.downloadTime }),
  };
  return { grant, mount, expiresIn };
}

function lifetimeOf(
  request: GrantRequest,
  { client, defaults, errors }: Checking & { readonly defaults: Defaults },
): { expiresIn: number; uses?: Uses } {
  const { max_uses: max, bind } = request;
  const expiresIn = request.expires_in ?? Math.min(defaults.expiresIn, client.maxExpiresIn);
  const usual = max === undefined ? 0 : Math.min(defaults.resumeFor, client.maxResumeFor);
  const resumeFor = request.resume_for ?? usual;
  errors.add('expires_in', maxError(expiresIn, client.maxExpiresIn));
  errors.add('resume_for', maxError(resumeFor, client.maxResumeFor));
  if (max === undefined && resumeFor === 0 && !request.confirm) {
    const why = 'needs max_uses, resume_for or confirm: otherwise requesters are not counted';
    errors.add('bind', bind && why);
    return { expiresIn };
  }
  const uses = {
    ...(max !== undefined && { max }),
    resumeFor,
    // One correct PIN must not open the link for all clients at the same address.
    ...((bind ?? (request.pin && 'cookie')) === 'cookie' && { cookieOnly: true as const }),
  };
  return { expiresIn, uses };
}

/** Why a client may not use a number of seconds; undefined if it may. */
export function maxError(seconds: number, max: number): string | undefined {
  return seconds <= max ? undefined : `must be at most ${max}, this client's maximum`;
}

/** `cookie`, `listing` and `index` are for folders that have a URL. */
function checkFolder(
  request: GrantRequest,
  { covers, mount }: ResolvedMount,
  errors: FieldErrors,
): void {
  for (const name of ['cookie', 'listing', 'index'] as const) {
    if (!request[name]) continue;
    if (!isFolder(covers)) errors.add(name, 'needs a prefix: it is only for folders');
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
    const why = 'the folder shows its list or its index.html';
    errors.add('index', `must not be true with listing: ${why}`);
  }
}

/** Checks the fields that a client can request, and another issuer cannot sign. */
export function checkRequested(
  request: GrantRequest,
  prepared: PreparedGrant | undefined,
  { format: defaultFormat, signer, countsBytes, now }: Requestable,
  errors: FieldErrors,
): void {
  const { format, revocable, target_args: targetArgs, max_bytes: maxBytes } = request;
  const { expiresIn } = prepared ?? {};
  if (expiresIn !== undefined && (request.not_before ?? 0) * 1000 >= now() + expiresIn * 1000) {
    const why = `expires_in (${expiresIn}) counts from now`;
    errors.add('not_before', `must be before the end, and ${why}`);
  }
  const isJwt = (format ?? defaultFormat) === 'jwt';
  if (format === 'jwt' && signer === undefined) {
    errors.add('format', 'must be opaque: no key to sign with is configured');
  }
  if (isJwt && targetArgs !== undefined) {
    errors.add('target_args', 'needs the format opaque: a JWT would show it to the client');
  }
  if (maxBytes !== undefined && !countsBytes) {
    const why = 'without it, nginx does not report bytes to Postern';
    errors.add('max_bytes', `needs POSTERN_DELIVERY_LISTEN: ${why}`);
  }
  if (revocable !== false) return;
  if (!isJwt) {
    errors.add('revocable', 'must be true, or format must be jwt: opaque tokens are stored');
  }
  if (maxBytes !== undefined) {
    errors.add('revocable', 'must be true with max_bytes: the store counts the bytes');
  }
  if (prepared?.grant.uses !== undefined) {
    const detail = 'must be true with max_uses, resume_for or confirm: the store counts requesters';
    errors.add('revocable', detail);
  }
}
