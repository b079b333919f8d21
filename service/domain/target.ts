import { type Client, mayIssueFor } from './client.ts';
import type { Mounts } from './mount.ts';
import { pathFault, prefixFault } from './path.ts';

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
): { detail: string; beyond: boolean } | undefined {
  const fault = folder ? prefixFault(target) : pathFault(target);
  if (fault !== undefined) return { detail: fault, beyond: false };
  const under = mounts.all.filter((mount) => target.startsWith(mount.internal));
  if (under.length === 0) {
    return { detail: 'must lie under the internal prefix of a mount', beyond: false };
  }
  const allowed =
    client.targets.some((prefix) => target.startsWith(prefix)) ||
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
