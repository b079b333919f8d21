import type { Faults } from './fault.ts';
import { type Given, isList, isMapping } from './given.ts';
import { didYouMean } from './near.ts';

/**
 * What a mapping holds, each key that is unknown or without a value being a fault. Undefined, with a fault, if it is no mapping.
 */
export function readEntry(
  entry: Given,
  known: readonly string[],
  faults: Faults,
): ReadonlyMap<string, Given> | undefined {
  if (!isMapping(entry.value)) {
    return faults.add(entry, `a mapping with some of the keys ${known.join(', ')}`);
  }
  const fields = new Map<string, Given>();
  for (const [key, given] of entry.value) {
    if (!known.includes(key)) {
      const { field, where } = given;
      const hint = didYouMean(key, known);
      // Without the value: whatever is meant may be a secret.
      faults.add(
        { field, ...(where !== undefined && { where }) },
        `a key that Postern knows here: ${known.join(', ')}${hint}`,
      );
    } else if (given.value === null) {
      // Not the same as leaving it out: a list whose entries are commented out would open all.
      faults.add(given, 'a value; or no such key at all');
    } else {
      fields.set(key, given);
    }
  }
  return fields;
}

/** The entries of a list; none where nothing is given. Faults if it is no list. */
export function readList(given: Given | undefined, what: string, faults: Faults): readonly Given[] {
  if (given === undefined) return [];
  if (isList(given.value)) return given.value;
  faults.add(given, `a list of ${what}, each on a line of its own that begins with "- "`);
  return [];
}
