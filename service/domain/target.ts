import { type Client, mayIssueFor } from './client.ts';
import type { RequestErrors } from './errors.ts';
import { isFolder } from './grant.ts';
import type { GrantRequest } from './grant-fields.ts';
import type { Mounts, ResolvedMount } from './mount.ts';
import { pathError, prefixError } from './path.ts';

/** Long enough for a presigned query with a session token, within nginx's buffer for headers. */
const MAX_ARGS_LENGTH = 4096;

/** RFC 3986, section 3.4: no character that could end the query or its header. */
const QUERY = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})+$/;

interface TargetError {
  readonly detail: string;
  /** The value is valid, but not allowed for this client. */
  readonly forbidden: boolean;
}

/** Checks that a client may issue for a path with this target and its query. */
export function checkReach(
  { target, target_args: args }: Pick<GrantRequest, 'target' | 'target_args'>,
  resolved: ResolvedMount,
  client: Client,
  mounts: Mounts,
  errors: RequestErrors,
): void {
  const { mount, site, covers, field } = resolved;
  if (!mayIssueFor(client, site ?? mount.site, covers)) {
    errors.add(field, 'is outside of what this client may issue for', true);
  }
  const invalid = target === undefined ? undefined : targetError(target, resolved, client, mounts);
  if (invalid !== undefined) errors.add('target', invalid.detail, invalid.forbidden);
  const file = isFolder(covers) ? undefined : target;
  const invalidArgs = args === undefined ? undefined : targetArgsError(args, file, client);
  if (invalidArgs !== undefined) {
    errors.add('target_args', invalidArgs.detail, invalidArgs.forbidden);
  }
}

/**
 * Why a client may not use an internal URI as a target; undefined if it may.
 *
 * On each site of the token, the URI must be under the internal prefix of a mount. There it must be
 * either what one of the client's public paths leads to, or under one of the client's `targets`:
 * another site may serve other files under the same internal prefix.
 */
export function targetError(
  target: string,
  resolved: TokenSites,
  client: Client,
  mounts: Mounts,
): TargetError | undefined {
  const invalid = isFolder(resolved.covers) ? prefixError(target) : pathError(target);
  if (invalid !== undefined) return { detail: invalid, forbidden: false };
  const sites = sitesOf(resolved, mounts);
  if (!sites.every((site) => isServed(target, site, mounts))) {
    const detail =
      "must be under the internal prefix of a mount on the token's site; without a site, on every site";
    return { detail, forbidden: false };
  }
  const allowed =
    isNamed(target, client) || sites.every((site) => isReached(target, site, client, mounts));
  return allowed
    ? undefined
    : { detail: 'is outside of what this client may name as a target', forbidden: true };
}

/**
 * Why a client may not use a query for a target; undefined if it may. nginx gets the query as it is and
 * the internal location interprets it, so only targets under the client's `targets` may have one.
 */
function targetArgsError(
  args: string,
  target: string | undefined,
  client: Client,
): TargetError | undefined {
  if (args.length > MAX_ARGS_LENGTH) {
    return { detail: `must have at most ${MAX_ARGS_LENGTH} characters`, forbidden: false };
  }
  if (!QUERY.test(args)) {
    return { detail: 'must be a query, percent-encoded, without its ?', forbidden: false };
  }
  if (target === undefined) return { detail: 'needs a path and a target', forbidden: false };
  return isNamed(target, client)
    ? undefined
    : { detail: "needs a target under one of this client's targets", forbidden: true };
}

function isNamed(target: string, { targets }: Client): boolean {
  return targets.some((prefix) => target.startsWith(prefix));
}

/** Whether a site has a mount for an internal URI. */
export function isServed(target: string, site: string | undefined, mounts: Mounts): boolean {
  return mounts.on(site).some(({ internal }) => target.startsWith(internal));
}

type TokenSites = Pick<ResolvedMount, 'mount' | 'site' | 'covers'>;

/** The sites of a token. Without a site: all sites but those whose own mount has the path. */
function sitesOf(
  { mount, site = mount.site, covers }: TokenSites,
  mounts: Mounts,
): ReadonlyArray<string | undefined> {
  if (site !== undefined) return [site];
  return [undefined, ...mounts.sites].filter((one) => mounts.find(one, covers) === mount);
}

/** Whether a public path that the client may issue for leads to an internal URI. */
function isReached(
  target: string,
  site: string | undefined,
  client: Client,
  mounts: Mounts,
): boolean {
  return mounts.on(site).some((mount) => {
    if (!target.startsWith(mount.internal)) return false;
    const path = mount.prefix + target.slice(mount.internal.length);
    // A nested mount may serve that path from elsewhere.
    return mounts.find(site, path) === mount && mayIssueFor(client, site, path);
  });
}
