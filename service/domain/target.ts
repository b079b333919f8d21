import { type Client, mayIssueFor } from './client.ts';
import type { Faults } from './errors.ts';
import { isFolder } from './grant.ts';
import type { GrantRequest } from './grant-fields.ts';
import type { Mounts } from './mount.ts';
import { pathFault, prefixFault } from './path.ts';
import type { Place } from './resolve-mount.ts';

/** Longest query of a target: a presigned one with a session's token, and room left in the buffer. */
const MAX_ARGS_LENGTH = 4096;

/** RFC 3986, section 3.4: nothing that could end the query, or the header that it is sent in. */
const QUERY = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})+$/;

interface TargetFault {
  readonly detail: string;
  readonly beyond: boolean;
}

/**
 * What forbids a query for a target. It goes to nginx as it is; what it means is for that location
 * to say, so it is for clients that were given `targets`, and for those targets.
 */
export function targetArgsFault(
  args: string,
  target: string | undefined,
  client: Client,
): TargetFault | undefined {
  if (args.length > MAX_ARGS_LENGTH) {
    return { detail: `must have at most ${MAX_ARGS_LENGTH} characters`, beyond: false };
  }
  if (!QUERY.test(args)) {
    return { detail: 'must be a query, percent-encoded, without its ?', beyond: false };
  }
  if (target === undefined) return { detail: 'needs a path and a target', beyond: false };
  return isNamed(target, client)
    ? undefined
    : { detail: "needs a target under one of this client's targets", beyond: true };
}

function isNamed(target: string, { targets }: Client): boolean {
  return targets.some((prefix) => target.startsWith(prefix));
}

/** What a token is for: where its target would be served. */
type For = Pick<Place, 'mount' | 'site' | 'covers'>;

/**
 * What forbids an internal URI that a client names itself; undefined if nothing does.
 * `beyond`: the URI is legal, but not for this client.
 *
 * On each site that the token is good for, it must be under the internal prefix of a mount, and be
 * either what one of the client's own public paths leads to there, or under one of the client's
 * `targets`. Another site may serve other files under the same internal prefix.
 */
export function targetFault(
  target: string,
  place: For,
  client: Client,
  mounts: Mounts,
): TargetFault | undefined {
  const fault = isFolder(place.covers) ? prefixFault(target) : pathFault(target);
  if (fault !== undefined) return { detail: fault, beyond: false };
  const sites = sitesOf(place, mounts);
  if (!sites.every((site) => isServed(target, site, mounts))) {
    return {
      detail:
        "must be under the internal prefix of a mount on the token's site; without a site, on every site",
      beyond: false,
    };
  }
  const allowed =
    isNamed(target, client) || sites.every((site) => isReached(target, site, client, mounts));
  return allowed
    ? undefined
    : { detail: 'is outside of what this client may name as a target', beyond: true };
}

/** Whether a site has a mount for an internal URI. */
export function isServed(target: string, site: string | undefined, mounts: Mounts): boolean {
  return mounts.on(site).some(({ internal }) => target.startsWith(internal));
}

/** The sites that a token is good for. Without a site: all but those whose own mount has its path. */
function sitesOf(
  { mount, site = mount.site, covers }: For,
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
    // A nested mount may lead that path elsewhere.
    return mounts.find(site, path) === mount && mayIssueFor(client, site, path);
  });
}

/** Faults of a path and a target that this client may not issue for, or that no client may. */
export function faultReach(
  { target, target_args: targetArgs }: Pick<GrantRequest, 'target' | 'target_args'>,
  place: Place,
  client: Client,
  mounts: Mounts,
  at: string,
  faults: Faults,
): void {
  const { mount, site, covers, field } = place;
  if (!mayIssueFor(client, site ?? mount.site, covers)) {
    const detail = 'is outside of what this client may issue for';
    faults.beyond.push({ pointer: `${at}/${field}`, detail });
  }
  const fault = target === undefined ? undefined : targetFault(target, place, client, mounts);
  const argsFault =
    targetArgs === undefined
      ? undefined
      : targetArgsFault(targetArgs, isFolder(covers) ? undefined : target, client);
  for (const [name, found] of [
    ['target', fault],
    ['target_args', argsFault],
  ] as const) {
    if (found === undefined) continue;
    const { beyond, detail } = found;
    (beyond ? faults.beyond : faults.malformed).push({ pointer: `${at}/${name}`, detail });
  }
}
