import type { z } from 'zod';
import { type ConfigErrors, quote, type Source, suggest } from './errors.ts';

export type Value = string | number | boolean | null | readonly SourcedValue[] | SourcedValues;

/** A configured value and its source. The items of a list or a mapping have their own sources. */
export interface SourcedValue extends Source {
  readonly value: Value;
}

/** Values by name: the settings, or what an entry of a list contains. */
export type SourcedValues = ReadonlyMap<string, SourcedValue>;

type Schemas = Readonly<Record<string, z.ZodType>>;
export type Valid<S extends Schemas> = { readonly [K in keyof S]?: z.output<S[K]> | undefined };

/** Reads named values with schemas. */
export interface FieldReader {
  has(name: string): boolean;
  /** Where a value is set, or could be set. */
  source(name: string): Source;
  /**
   * The value of each schema's name. Invalid values are undefined and issues, so that they do not hide
   * other issues. The message of a schema says what is expected.
   */
  read<S extends Schemas>(schemas: S): Valid<S>;
}

export function createFieldReader(
  values: SourcedValues,
  missing: (name: string) => Source,
  errors: ConfigErrors,
): FieldReader {
  const source = (name: string) => values.get(name) ?? missing(name);
  return {
    has: (name) => values.has(name),
    source,
    read<S extends Schemas>(schemas: S) {
      const read = Object.entries(schemas).map(([name, schema]) => {
        const value = values.get(name);
        const result = schema.safeParse(toPlain(value));
        const reported = new Set<string>();
        for (const { path, message } of result.error?.issues ?? []) {
          // A second message for the same value would repeat the first.
          if (reported.has(path.join())) continue;
          reported.add(path.join());
          errors.add(itemAt(value, path) ?? missing(name), message);
        }
        return [name, result.data];
      });
      return Object.fromEntries(read) as Valid<S>;
    },
  };
}

function toPlain(sourced: SourcedValue | undefined): unknown {
  const value = sourced?.value;
  if (value === undefined || !isList(value)) return value;
  return value.map(toPlain);
}

function itemAt(
  sourced: SourcedValue | undefined,
  [step, ...path]: readonly PropertyKey[],
): SourcedValue | undefined {
  const item = sourced && isList(sourced.value) ? sourced.value[Number(step)] : undefined;
  return item ? itemAt(item, path) : sourced;
}

/** The fields of a mapping. Keys that are unknown or have no value are issues. */
export function readMapping(
  entry: SourcedValue,
  known: readonly string[],
  errors: ConfigErrors,
): SourcedValues | undefined {
  if (!(entry.value instanceof Map)) {
    return errors.add(entry, `a mapping with some of the keys ${known.join(', ')}`);
  }
  const values = new Map<string, SourcedValue>();
  for (const [key, sourced] of entry.value as SourcedValues) {
    if (!known.includes(key)) {
      const { shown: _, ...source } = sourced;
      // Without the value: it may be a secret.
      const expected = `a key that Postern knows here: ${known.join(', ')}`;
      errors.add(source, expected + suggest(key, known));
    } else if (sourced.value === null) {
      // Not the same as an absent key: a list whose entries are all commented out would allow everything.
      errors.add(sourced, 'a value; or remove the key');
    } else {
      values.set(key, sourced);
    }
  }
  return values;
}

/** The fields of each entry in a list. An entry that is not a mapping is an issue. */
export function readEntries(
  entries: readonly SourcedValue[],
  known: readonly string[],
  errors: ConfigErrors,
): readonly FieldReader[] {
  return entries.flatMap((entry) => {
    const values = readMapping(entry, known, errors);
    const { where } = entry;
    const missing = (name: string) => ({
      field: `${entry.field}.${name}`,
      ...(where !== undefined && { where }),
    });
    return values ? [createFieldReader(values, missing, errors)] : [];
  });
}

export const listExpected = (what: string) =>
  `a list of ${what}, each on its own line that begins with "- "`;

/** The items of a list; none, with an issue, if it is not a list. */
export function readList(
  sourced: SourcedValue | undefined,
  what: string,
  errors: ConfigErrors,
): readonly SourcedValue[] {
  if (sourced === undefined) return [];
  if (isList(sourced.value)) return sourced.value;
  errors.add(sourced, listExpected(what));
  return [];
}

export function isList(value: Value): value is readonly SourcedValue[] {
  return Array.isArray(value);
}

/** How the environment writes an entry of a list. */
export interface TextEntry {
  /** The fields of an entry; undefined if the text is not one. */
  parse(text: string): Readonly<Record<string, string | undefined>> | undefined;
  readonly expected: string;
  /** Whether any part may be a secret, so that a report must not show it. */
  readonly isSecret: boolean;
}

/** As `readList`; in the environment, the list is text: `a, b`. */
export function readListOrText(
  sourced: SourcedValue | undefined,
  what: string,
  { parse, expected, isSecret }: TextEntry,
  errors: ConfigErrors,
): readonly SourcedValue[] {
  if (!isFromEnvironment(sourced)) return readList(sourced, what, errors);
  const { field, value } = sourced;
  // An empty text stays, so that it is reported.
  const texts = String(value).split(',');
  return texts.flatMap((text, index) => {
    const show = (part: string) =>
      isSecret ? `entry ${index + 1} of ${texts.length}, not shown` : quote(part);
    const parts = parse(text.trim());
    if (parts === undefined) errors.add({ field, shown: show(text.trim()) }, expected);
    const fields = Object.entries(parts ?? {}).flatMap(([name, part]) =>
      part === undefined ? [] : [[name, { field, value: part, shown: show(part) }] as const],
    );
    return parts ? [{ field, value: new Map(fields) }] : [];
  });
}

export function isFromEnvironment(sourced: SourcedValue | undefined): sourced is SourcedValue {
  return sourced !== undefined && sourced.where === undefined;
}
