import type { Given } from './given.ts';

/**
 * The entries of a list in the environment: `a, b`. An empty one stays, to be a fault: it is what a
 * key leaves that ends in a comma.
 */
export function textEntries(text: string): readonly string[] {
  return text.split(',').map((entry) => entry.trim());
}

/** An entry made of text, in the shape that the file gives it. */
export function entryOf(
  field: string,
  parts: Readonly<Record<string, string | undefined>>,
  shown: (part: string) => string,
): Given {
  const value = new Map<string, Given>();
  for (const [key, part] of Object.entries(parts)) {
    if (part !== undefined) value.set(key, { field, value: part, shown: shown(part) });
  }
  return { field, value };
}
