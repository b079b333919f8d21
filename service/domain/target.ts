import { type Client, mayIssueFor } from './client.ts';
import type { Mounts } from './mount.ts';
import { pathFault, prefixFault } from './path.ts';

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

/**
 * What forbids an internal URI that a client names itself; undefined if nothing does.
 * `beyond`: the URI is legal, but not for this client.
 *
 * It must lie under the internal prefix of a mount, and be either what one of the client's own
 * public paths would lead to, or under one of the client's `targets`.
 */
export function targetFault(
  target: string,
  folder: boolean,
  client: Client,
  mounts: Mounts,
): TargetFault | undefined {
  const fault = folder ? prefixFault(target) : pathFault(target);
  if (fault !== undefined) return { detail: fault, beyond: false };
  const under = mounts.all.filter((mount) => target.startsWith(mount.internal));
  if (under.length === 0) {
    return { detail: 'must lie under the internal prefix of a mount', beyond: false };
  }
  const allowed =
    isNamed(target, client) ||
    under.some((mount) => {
      const path = mount.prefix + target.slice(mount.internal.length);
      // A nested mount may lead that path elsewhere.
      const leads = mounts.over(path).find(({ site }) => site === undefined || site === mount.site);
      return leads === mount && mayIssueFor(client, mount.site, path);
    });
  return allowed
    ? undefined
    : { detail: 'is outside of what this client may name as a target', beyond: true };
}
