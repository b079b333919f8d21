import type { Mount } from '../domain/mount.ts';
import { readList } from './entry.ts';
import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import { faultLoops } from './loops.ts';
import { type ReadMount, readMount } from './mount.ts';
import { mountsFromText } from './mount-text.ts';
import { faultNested } from './nested.ts';

/** Every mount, or undefined, with faults, if any of them is wrong or there is none. */
export function readMounts(given: Given | undefined, faults: Faults): readonly Mount[] | undefined {
  const before = faults.all.length;
  // With no place in a file it comes from the environment, as text.
  const entries =
    given !== undefined && given.where === undefined
      ? mountsFromText(given, faults)
      : readList(given, 'mounts', faults);
  const mounts: ReadMount[] = [];
  for (const entry of entries) {
    const read = readMount(entry, faults);
    if (read !== undefined) mounts.push(read);
  }
  faultLoops(mounts, faults);
  faultNested(mounts, faults);
  faultTwins(mounts, faults);
  if (entries.length === 0 && faults.all.length === before) {
    const at = given ?? { field: 'POSTERN_MOUNTS' };
    return faults.add(at, 'at least one mount, such as POSTERN_MOUNTS=/download/=/protected/');
  }
  return faults.all.length === before ? mounts.map(({ mount }) => mount) : undefined;
}

function faultTwins(mounts: readonly ReadMount[], faults: Faults): void {
  const seen = new Set<string>();
  for (const { mount, prefix } of mounts) {
    if (seen.has(mount.id)) {
      faults.add(prefix, 'each public prefix once for a site: an earlier mount has this one');
    }
    seen.add(mount.id);
  }
}
