import { addressRangeError } from '../site/address.ts';
import { isServed, type Mount, type Mounts, mountId } from '../site/mount.ts';
import { encodePath, MAX_COOKIE_PATH_LENGTH, pathError, prefixError } from '../site/path.ts';
import { type Client, mayIssueFor, type Scope } from './client.ts';
import { type Grant, isFolder, keptFieldsOf, type Uses } from './grant.ts';
import type { GrantRequest } from './grant-fields.ts';
import type { FieldErrors } from './request-error.ts';
import { tokenSegment } from './token.ts';

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

/** What a request is checked against. Each check adds to `errors`. */
interface Checking {
  readonly client: Client;
  readonly mounts: Mounts;
  readonly errors: FieldErrors;
}

/** The mount of a token, and the path or prefix that it covers. */
interface ResolvedMount {
  readonly mount: Mount;
  /** Set only if the mount serves every site. */
  readonly site?: string;
  readonly covers: string;
}

/** Checks a request, whose types api/schema.ts has checked: the grant that it asks for, or additions to `errors`. */
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
    const why = 'needs max_uses, resume_for or confirm: requesters are not counted without';
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
    if (!isFolder(covers)) {
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
    const why = 'a folder is listed, or its index.html opened';
    errors.add('index', `must not be true with listing: ${why}`);
  }
}

/** Maximum number of prefixes in an error. */
const MAX_NAMED = 5;

function resolveMount(
  { path, prefix, site: requestedSite }: GrantRequest,
  { client, mounts, errors }: Checking,
): ResolvedMount | undefined {
  if ((path === undefined) === (prefix === undefined)) {
    return errors.add('', 'must have exactly one of path and prefix');
  }
  const field = path === undefined ? 'prefix' : 'path';
  const covers = (path ?? prefix) as string;
  const invalid = path === undefined ? prefixError(covers) : fileError(covers);
  if (invalid !== undefined) return errors.add(field, invalid);
  const site = requestedSite?.toLowerCase();
  const mount = mountFor(mounts, site, covers);
  if (mount === 'ambiguous') {
    return errors.add('site', 'must name the site: several sites have this prefix');
  }
  if (mount === undefined) {
    const names = namesOf(client.paths ?? mounts.all);
    return errors.add(field, `must be under the prefix of a mount; this client may use: ${names}`);
  }
  if (tokenSegment(covers, mount.prefix) !== undefined) {
    return errors.add(field, 'must not begin with what looks like a token');
  }
  const isForAnySite = site !== undefined && mount.site === undefined;
  return { mount, covers, ...(isForAnySite && { site }) };
}

function fileError(path: string): string | undefined {
  return isFolder(path) ? 'must not end with a slash: use prefix for a folder' : pathError(path);
}

function namesOf(scopes: readonly Scope[]): string {
  if (scopes.length === 0) return 'none';
  const names = scopes.map(({ site, prefix }) => mountId(site, prefix));
  return [...names.slice(0, MAX_NAMED), ...(names.length > MAX_NAMED ? ['…'] : [])].join(', ');
}

function mountFor(mounts: Mounts, site: string | undefined, path: string) {
  if (site !== undefined) return mounts.find(site, path);
  const over = mounts.over(path);
  const longest = over.filter((mount) => mount.prefix.length === over[0]?.prefix.length);
  const everywhere = longest.find((mount) => mount.site === undefined);
  if (everywhere !== undefined || longest.length <= 1) return everywhere ?? longest[0];
  return 'ambiguous';
}

/** Long enough for a presigned query with a session token, within nginx's buffer for headers. */
const MAX_ARGS_LENGTH = 4096;

/** RFC 3986, section 3.4: no character that could end the query or its header. */
const QUERY = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})+$/;

/** Checks that a client may issue for a path with this target and its query. */
export function checkReach(
  { target, target_args: args }: Pick<GrantRequest, 'target' | 'target_args'>,
  resolved: ResolvedMount,
  checking: Checking,
): void {
  const { mount, site, covers } = resolved;
  const { client, errors } = checking;
  if (!mayIssueFor(client, site ?? mount.site, covers)) {
    const field = isFolder(covers) ? 'prefix' : 'path';
    errors.add(field, 'is outside of what this client may issue for', true);
  }
  if (target !== undefined) checkTarget(target, resolved, checking);
  if (args === undefined) return;
  if (mount.sign !== undefined) {
    errors.add('target_args', 'must be absent: Postern signs requests for this mount itself');
  }
  checkArgs(args, isFolder(covers) ? undefined : target, checking);
}

/**
 * Checks that a client may use an internal URI as a target. On each site of the token, the URI must be under the
 * internal prefix of a mount; for an object store, under that of the token's own mount. It must also be the internal
 * URI of a public path that the client may issue for, or be under one of the client's `targets`. Each site is checked,
 * because another one may serve other files under the same internal prefix.
 */
export function checkTarget(
  target: string,
  { mount, site = mount.site, covers }: ResolvedMount,
  { client, mounts, errors }: Checking,
): undefined {
  const invalid = isFolder(covers) ? prefixError(target) : pathError(target);
  if (invalid !== undefined) return errors.add('target', invalid);
  // A token without a site opens on all sites except those on which another mount has the path.
  const sites =
    site === undefined
      ? [undefined, ...mounts.sites].filter((one) => mounts.find(one, covers) === mount)
      : [site];
  if (!sites.every((one) => isServed(target, mount, one, mounts))) {
    const detail =
      "must be under the internal prefix of a mount on the token's site; without a site, on every site; " +
      'an object store serves only tokens for its mount';
    return errors.add('target', detail);
  }
  const allowed =
    isNamed(target, client) || sites.every((one) => isReached(target, one, client, mounts));
  if (!allowed) errors.add('target', 'is outside of what this client may name as a target', true);
}

/** The internal location interprets the query as it is, so only targets under the client's `targets` may have one. */
function checkArgs(args: string, target: string | undefined, { client, errors }: Checking) {
  const add = (detail: string, isForbidden = false) =>
    errors.add('target_args', detail, isForbidden);
  if (args.length > MAX_ARGS_LENGTH) return add(`must have at most ${MAX_ARGS_LENGTH} characters`);
  if (!QUERY.test(args)) return add('must be a query, percent-encoded, without its ?');
  if (target === undefined) return add('needs a path and a target');
  if (!isNamed(target, client)) add("needs a target under one of this client's targets", true);
}

function isNamed(target: string, { targets }: Client): boolean {
  return targets.some((prefix) => target.startsWith(prefix));
}

/** Whether an internal URI is that of a public path that the client may issue for. */
function isReached(target: string, site: string | undefined, client: Client, mounts: Mounts) {
  return mounts.on(site).some((mount) => {
    if (!target.startsWith(mount.internal)) return false;
    const path = mount.prefix + target.slice(mount.internal.length);
    // A nested mount may serve that path from elsewhere.
    return mounts.find(site, path) === mount && mayIssueFor(client, site, path);
  });
}
