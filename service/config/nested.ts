import type { Mount } from '../domain/mount.ts';
import type { Faults } from './fault.ts';
import type { ReadMount } from './mount.ts';
import { sitesOverlap } from './site.ts';

/**
 * An internal prefix must not be below another one, unless the public prefixes nest in the same way:
 * nginx serves `/p/sub/x` from the inner location, also for a token of the outer mount, whose client
 * may have no right to the inner one.
 */
export function faultNested(mounts: readonly ReadMount[], faults: Faults): void {
  for (const { mount: inner, internal } of mounts) {
    for (const { mount: outer } of mounts) {
      if (!sitesOverlap(outer.site, inner.site) || nestsAlike(outer, inner)) continue;
      const expected =
        `an internal prefix that is not below ${outer.internal}, the one of ${outer.prefix}: ` +
        `tokens for ${outer.prefix} would open files of ${inner.prefix}`;
      faults.add(internal, expected);
    }
  }
}

/** True also if neither is below the other. The same internal prefix twice means the same files. */
function nestsAlike(outer: Mount, inner: Mount): boolean {
  if (inner.internal === outer.internal || !inner.internal.startsWith(outer.internal)) return true;
  const rest = inner.internal.slice(outer.internal.length);
  // A path in an argument stays with the outer mount, even if an inner mount has that path.
  return inner.prefix === outer.prefix + rest && outer.pathArgument === undefined;
}
