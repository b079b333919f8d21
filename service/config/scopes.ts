import type { Scope } from '../domain/client.ts';
import type { Mount } from '../domain/mount.ts';
import { canMeet, hasStrayBrace, unnamed } from './claims.ts';
import { readList } from './entry.ts';
import type { Faults } from './fault.ts';
import { type Given, isList } from './given.ts';
import { readPrefix } from './prefix.ts';
import { readSite, sitesOverlap, splitSite } from './site.ts';

/** For an issuer, whose prefixes may hold claims. Those of an API key are taken to the letter. */
export interface PathRules {
  /** Whether `/download/{sub}/` is legal. */
  readonly claims: boolean;
}

/** The public prefixes that a client may issue for. `mounts` is absent if they are at fault. */
export function readPaths(
  given: Given,
  mounts: readonly Mount[] | undefined,
  faults: Faults,
  rules?: PathRules,
): readonly Scope[] {
  const entries = readList(given, 'public prefixes', faults);
  if (isList(given.value) && entries.length === 0) {
    const without = rules ? '' : '; without paths the client may issue for all';
    faults.add(given, `at least one public prefix${without}`);
  }
  return entries.flatMap((entry) => {
    const scope = readScope(entry, rules, faults);
    if (scope === undefined) return [];
    const path = rules ? unnamed(scope.prefix) : scope.prefix;
    const matches = mounts?.some(
      ({ site, prefix }) => sitesOverlap(site, scope.site) && canMeet(path, prefix),
    );
    if (matches !== false) return [scope];
    faults.add(entry, "a prefix under a mount's public prefix: this one can never match");
    return [];
  });
}

/** `/download/`, or with a site `files.example:/media/`. */
function readScope(given: Given, rules: PathRules | undefined, faults: Faults): Scope | undefined {
  const what = 'a public prefix';
  const example = '/download/ or files.example:/media/';
  if (typeof given.value !== 'string') return faults.add(given, `${what}, such as ${example}`);
  const text = splitSite(given.value);
  if (rules && (rules.claims ? hasStrayBrace(text.prefix) : /[{}]/.test(text.prefix))) {
    return faults.add(given, rules.claims ? CLAIMS : NO_CLAIMS);
  }
  const value = rules ? unnamed(text.prefix) : text.prefix;
  const legal = readPrefix({ ...given, value }, what, example, faults) !== undefined;
  const { prefix } = text;
  if (text.site === undefined) return legal ? { prefix } : undefined;
  const site = readSite({ ...given, value: text.site }, faults);
  return legal && site !== undefined ? { site, prefix } : undefined;
}

const CLAIMS =
  'braces around a claim that is a whole segment, such as /download/users/{sub}/; ' +
  'its name has 1 to 64 letters, digits or _ : . / -';
const NO_CLAIMS =
  'a public prefix without braces, such as /download/: ' +
  'claims stand for a segment only where trusted_for is clients';

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
