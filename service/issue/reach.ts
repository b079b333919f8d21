import { isServed, type Mount, type Mounts, mountId } from '../paths/mount.ts';
import { pathError, prefixError } from '../paths/path.ts';
import { type Client, mayIssueFor, type Scope } from '../token/client.ts';
import { isFolder } from '../token/grant.ts';
import type { GrantRequest } from '../token/grant-fields.ts';
import type { FieldErrors } from '../token/request-error.ts';
import { tokenSegment } from '../token/token.ts';

// The mount of a request, and what its client may reach: the path, the target, and the query of the target.

/** What a request is checked against. Each check adds to `errors`. */
export interface Checking {
  readonly client: Client;
  readonly mounts: Mounts;
  readonly errors: FieldErrors;
}

/** The mount of a token, and the path or prefix that it covers. */
export interface ResolvedMount {
  readonly mount: Mount;
  /** Set only if the mount serves every site. */
  readonly site?: string;
  readonly covers: string;
}

/** Maximum number of prefixes in an error. */
const MAX_NAMED = 5;

export function resolveMount(
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
