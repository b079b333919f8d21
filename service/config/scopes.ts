import type { Scope } from '../domain/client.ts';
import type { Mount } from '../domain/mount.ts';
import { readList } from './entry.ts';
import type { Faults } from './fault.ts';
import { type Given, isList } from './given.ts';
import { readPrefix } from './prefix.ts';
import { readSite, sitesOverlap, splitSite } from './site.ts';

/** The public prefixes that a client may issue for. `mounts` is absent if they are at fault. */
export function readPaths(
  given: Given,
  mounts: readonly Mount[] | undefined,
  faults: Faults,
): readonly Scope[] {
  const entries = readList(given, 'public prefixes', faults);
  if (isList(given.value) && entries.length === 0) {
    faults.add(given, 'at least one public prefix; without paths the client may issue for all');
  }
  return entries.flatMap((entry) => {
    const scope = readScope(entry, faults);
    if (scope === undefined) return [];
    const matches = mounts?.some(
      ({ site, prefix }) =>
        sitesOverlap(site, scope.site) &&
        (scope.prefix.startsWith(prefix) || prefix.startsWith(scope.prefix)),
    );
    if (matches !== false) return [scope];
    faults.add(entry, "a prefix under a mount's public prefix: this one can never match");
    return [];
  });
}

/** `/download/`, or with a site `files.example:/media/`. */
function readScope(given: Given, faults: Faults): Scope | undefined {
  const what = 'a public prefix';
  const example = '/download/ or files.example:/media/';
  if (typeof given.value !== 'string') return faults.add(given, `${what}, such as ${example}`);
  const text = splitSite(given.value);
  const prefix = readPrefix({ ...given, value: text.prefix }, what, example, faults);
  if (text.site === undefined) return prefix === undefined ? undefined : { prefix };
  const site = readSite({ ...given, value: text.site }, faults);
  return prefix === undefined || site === undefined ? undefined : { site, prefix };
}

/** The internal prefixes that a client may name as `target`. */
export function readTargets(
  given: Given | undefined,
  mounts: readonly Mount[] | undefined,
  faults: Faults,
): readonly string[] {
  return readList(given, 'internal prefixes', faults).flatMap((entry) => {
    const prefix = readPrefix(entry, 'an internal prefix', '/protected/shared/', faults);
    if (prefix === undefined) return [];
    if (mounts?.every((mount) => !prefix.startsWith(mount.internal))) {
      faults.add(entry, "a prefix under a mount's internal prefix: this one can never match");
      return [];
    }
    return [prefix];
  });
}
