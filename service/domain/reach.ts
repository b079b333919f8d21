import { type Client, mayIssueFor } from './client.ts';
import type { Faults } from './errors.ts';
import { isFolder } from './grant.ts';
import type { GrantRequest } from './grant-fields.ts';
import type { Mounts } from './mount.ts';
import type { Place } from './place.ts';
import { targetArgsFault, targetFault } from './target.ts';

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
