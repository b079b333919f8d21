export type Value =
  | string
  | number
  | boolean
  | null
  | readonly Given[]
  | ReadonlyMap<string, Given>;

/** Something that was configured, and where: what a fault points at. */
export interface Given {
  /** As in a fault: `POSTERN_MOUNTS` or `mounts[1].internal`. */
  readonly field: string;
  /** File and line; absent: from the environment. */
  readonly where?: string;
  /** A list or a mapping holds what is given in turn. */
  readonly value: Value;
  /** What a report may show of the value; absent: nothing. */
  readonly shown?: string;
}

export function isList(value: Value): value is readonly Given[] {
  return Array.isArray(value);
}

export function isMapping(value: Value): value is ReadonlyMap<string, Given> {
  return value instanceof Map;
}

/** What is said of something inside of an entry that is not there at all. */
export function absent(entry: Given, key: string): Omit<Given, 'value'> {
  const { where } = entry;
  return { field: `${entry.field}.${key}`, ...(where !== undefined && { where }) };
}
