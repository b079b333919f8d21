import type { Faults } from './fault.ts';
import type { ReadMount } from './mount.ts';
import { sitesOverlap } from './site.ts';

/**
 * An internal prefix must not lie under a public one, nor over one: nginx would send its internal
 * redirect to the gate, which would redirect again.
 */
export function faultLoops(mounts: readonly ReadMount[], faults: Faults): void {
  for (const { mount, internal } of mounts) {
    for (const { mount: other } of mounts) {
      if (!sitesOverlap(mount.site, other.site)) continue;
      const how = relation(mount.internal, other.prefix);
      if (how === undefined) continue;
      const expected =
        `an internal prefix apart from every public one, such as /protected/: it ${how} ` +
        `${other.prefix}, so nginx would come back to the gate instead of sending the file`;
      faults.add(internal, expected);
    }
  }
}

function relation(internal: string, prefix: string): string | undefined {
  if (internal === prefix) return 'is the same as the public prefix';
  if (internal.startsWith(prefix)) return 'lies under the public prefix';
  return prefix.startsWith(internal) ? 'holds the public prefix' : undefined;
}
