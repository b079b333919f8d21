/** A row for each value: the value, and the reason above it. */
export const rowsOf = (values: Readonly<Record<string, readonly string[]>>): [string, string][] =>
  Object.entries(values).flatMap(([reason, those]) =>
    those.map((value): [string, string] => [value, reason]),
  );
