import type { z } from 'zod';
import { type ConfigErrors, type Source, suggest } from './errors.ts';
import { redact } from './shown.ts';

export type Value = string | number | boolean | null | readonly SourcedValue[] | SourcedValues;

/** A configured value and its source. The items of a list or a mapping have their own sources. */
export interface SourcedValue extends Source {
  readonly value: Value;
}

/** Values by name: the settings, or what an entry of a list contains. */
export type SourcedValues = ReadonlyMap<string, SourcedValue>;

type Schemas = Readonly<Record<string, z.ZodType>>;
export type Complete<S extends Schemas> = { readonly [K in keyof S]: z.output<S[K]> };
export type Valid<S extends Schemas> = { readonly [K in keyof S]?: z.output<S[K]> | undefined };

/** Reads named values with schemas, and collects their errors. */
export type Fields = ReturnType<typeof createFields>;

/** @param missing where a value that is not set could be set */
export function createFields(
  values: SourcedValues,
  missing: (name: string) => Source,
  errors: ConfigErrors,
) {
  const source = (name: string): Source => values.get(name) ?? missing(name);
  return {
    has: (name: string) => values.has(name),
    get: (name: string) => values.get(name),
    source,
    add: (name: string, expected: string) => errors.add(source(name), expected),
    /**
     * The value of each schema's name. Invalid values are undefined and issues, so that they do not hide
     * other issues. The message of a schema says what is expected.
     */
    read<S extends Schemas>(schemas: S): Valid<S> {
      const read = Object.entries(schemas).map(([name, schema]) => {
        const value = values.get(name);
        const { error, data } = schema.safeParse(toPlain(value));
        const reported = new Set<string>();
        for (const { path, message } of error?.issues ?? []) {
          // A second message for the same value would repeat the first.
          if (reported.has(path.join())) continue;
          reported.add(path.join());
          errors.add(itemAt(value, path) ?? missing(name), message);
        }
        return [name, data];
      });
      return Object.fromEntries(read);
    },
  };
}

function toPlain(sourced: SourcedValue | undefined): unknown {
  const value = sourced?.value;
  return isList(value) ? value.map(toPlain) : value;
}

function itemAt(
  sourced: SourcedValue | undefined,
  [step, ...path]: readonly PropertyKey[],
): SourcedValue | undefined {
  const item = isList(sourced?.value) ? sourced.value[Number(step)] : undefined;
  return item ? itemAt(item, path) : sourced;
}

export function isList(value: Value | undefined): value is readonly SourcedValue[] {
  return Array.isArray(value);
}

export function isFromEnvironment(sourced: SourcedValue | undefined): boolean {
  return sourced !== undefined && sourced.where === undefined;
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** Removes the names whose value is undefined. */
export function defined<T extends object>(values: T): Defined<T> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}

type CamelCase<S> = S extends `${infer First}_${infer Rest}`
  ? `${First}${Capitalize<CamelCase<Rest>>}`
  : S;
export type CamelCased<T> = { readonly [K in keyof T as CamelCase<K>]: T[K] };

/** The names of the file, `max_expires_in`, as properties: `maxExpiresIn`. */
export function camelCased<T extends object>(values: T): CamelCased<T> {
  const entries = Object.entries(values).map(([name, value]) => {
    const property = name.replace(/_./g, ([, letter = '']) => letter.toUpperCase());
    return [property, value] as const;
  });
  return Object.fromEntries(entries) as CamelCased<T>;
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
      // Without the value: it may be a secret.
      const source = { ...sourced, shown: undefined };
      const expected = `one of the keys ${known.join(', ')}`;
      // The name of the variable is a usual mistake.
      const name = key.toLowerCase().replace(/^postern_/, '');
      errors.add(source, expected + suggest(name, known));
    } else if (sourced.value === null) {
      // Not the same as an absent key: a list whose entries are all commented out would allow everything.
      errors.add(sourced, 'a value; or remove the key');
    } else {
      values.set(key, sourced);
    }
  }
  return values;
}

/** A list of mappings. */
export interface EntryList {
  readonly what: string;
  readonly fields: readonly string[];
  /** How the environment writes an entry; absent: the list is only for the file. */
  readonly text?: TextEntry;
}

interface TextEntry {
  /** The fields of an entry; undefined if the text is not one. */
  parse(text: string): Readonly<Record<string, string>> | undefined;
  readonly expected: string;
  /** Whether any part may be a secret, so that a report must not show it. */
  readonly isSecret: boolean;
}

/** The fields of each entry in a list; none if the list is not set. Anything else is an issue. */
export function readEntries(
  sourced: SourcedValue | undefined,
  { what, fields, text }: EntryList,
  errors: ConfigErrors,
): readonly Fields[] {
  if (sourced === undefined) return [];
  const { value } = sourced;
  const inEnvironment = text && isFromEnvironment(sourced);
  if (!inEnvironment && !isList(value)) errors.add(sourced, listExpected(what));
  const inFile = isList(value) ? value : [];
  const entries = inEnvironment ? entriesInText(sourced, text, errors) : inFile;
  return entries.flatMap((entry) => readEntry(entry, fields, errors) ?? []);
}

/** The fields of one mapping; undefined, with an issue, if the value is not a mapping. */
export function readEntry(
  entry: SourcedValue,
  known: readonly string[],
  errors: ConfigErrors,
): Fields | undefined {
  const values = readMapping(entry, known, errors);
  const missing = (name: string) => ({ field: `${entry.field}.${name}`, where: entry.where });
  return values && createFields(values, missing, errors);
}

export const listExpected = (what: string) =>
  `a list of ${what}, each on its own line that begins with "- "`;

/** The entries of a text with commas. An empty one stays, so that it is reported. */
function entriesInText(
  { field, value }: SourcedValue,
  { parse, expected, isSecret }: TextEntry,
  errors: ConfigErrors,
): readonly SourcedValue[] {
  const texts = String(value).split(',');
  return texts.flatMap((untrimmed, index) => {
    const text = untrimmed.trim();
    const show = (part: string) =>
      isSecret ? `entry ${index + 1} of ${texts.length}, not shown` : redact('mounts', part);
    const parts = parse(text);
    if (parts === undefined) {
      errors.add({ field, shown: show(text) }, expected);
      return [];
    }
    const fields = Object.entries(parts).map(
      ([name, part]) => [name, { field, value: part, shown: show(part) }] as const,
    );
    return [{ field, value: new Map(fields) }];
  });
}

/** Returns a file's text, or throws as `node:fs` does. */
export type ReadFile = (path: string) => string;

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'this user may not read it',
  EISDIR: 'it is a folder',
};

/** The text of a file that a setting names; undefined, with an issue, if it cannot be read. */
export function readText(
  path: string,
  readFile: ReadFile,
  add: (expected: string) => undefined,
): string | undefined {
  try {
    return readFile(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return add(`the path of a readable file: ${WHY[code] ?? 'it cannot be read'}`);
  }
}

/**
 * Reads the files that settings name, and returns the result of `parse`. Undefined if no file is named. Also
 * undefined, with an issue, if the file cannot be read or `parse` rejects it.
 */
export function createFileReader<V>(valid: V, { add }: Fields, readFile: ReadFile) {
  return function fromFile<T>(
    name: keyof V & `${string}_file`,
    expected: string,
    parse: (text: string) => T | undefined,
  ): T | undefined {
    const path = valid[name] as string | undefined;
    const text = path && readText(path, readFile, (problem) => add(name, problem));
    if (text === undefined) return undefined;
    try {
      return parse(text) ?? add(name, expected);
    } catch {
      // Without the error: it may quote the file.
      return add(name, expected);
    }
  };
}

/** Most editors end a file with a line break. */
export function withoutLineBreak(text: string): string {
  return text.replace(/\r?\n$/, '');
}
