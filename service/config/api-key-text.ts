import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import { entryOf, textEntries } from './text-entries.ts';

/** The entries of `web:<secret>,batch:sha256:<64 hex>`. No part is shown: it may be the secret. */
export function apiKeysFromText(given: Given, faults: Faults): Given[] {
  const { field } = given;
  const entries = textEntries(String(given.value));
  return entries.flatMap((text, index) => {
    const shown = `entry ${index + 1} of ${entries.length}, not shown`;
    const colon = text.indexOf(':');
    if (colon < 0) {
      const expected =
        '<id>:<secret> with a colon; a comma ends an entry, so no secret can hold one';
      faults.add({ field, shown }, expected);
      return [];
    }
    const parts = { id: text.slice(0, colon), key: text.slice(colon + 1) };
    return [entryOf(field, parts, () => shown)];
  });
}
