import { GRANT_FIELDS, type GrantField, type KeptFields } from './grant-fields.ts';

interface KeptField {
  readonly name: string;
  readonly property: keyof KeptFields;
  readonly record: string;
  readonly claim: string | false;
  readonly shown: boolean;
  readonly isFlag: boolean;
}

/** The fields that a grant keeps, with their names: JSON, grant, record and claim. */
export const KEPT_FIELDS: readonly KeptField[] = keptAmong(GRANT_FIELDS);

export function keptAmong(fields: Readonly<Record<string, GrantField>>): KeptField[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const { type, record, claim = name, shown = true } = field;
    if (record === undefined) return [];
    const property = name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    const isFlag = type === 'flag';
    return [{ name, property: property as keyof KeptFields, record, claim, shown, isFlag }];
  });
}

/** Picks the kept fields from named values. Absent values and false flags stay absent. */
export function keptFieldsOf(
  values: Readonly<Record<string, unknown>>,
  nameIn: (field: KeptField) => string | false = ({ name }) => name,
): KeptFields {
  const kept: Record<string, unknown> = {};
  for (const field of KEPT_FIELDS) {
    const name = nameIn(field);
    const value = name === false ? undefined : values[name];
    if (value !== undefined && !(field.isFlag && value === false)) kept[field.property] = value;
  }
  return kept;
}
