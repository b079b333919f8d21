import { z } from 'zod';
import {
  type FieldName,
  GRANT_FIELDS,
  type GrantField,
  type GrantRequest,
} from '../token/grant-fields.ts';

const CONTROL = /\p{Cc}/u;

/** A text without control characters, for headers, logs and keys of the store. */
export const text = (max: number, min = 1) =>
  z
    .string('must be a string')
    .min(min, min === 1 ? 'must not be empty' : `must have at least ${min} characters`)
    .max(max, `must have at most ${max} characters`)
    .refine((value) => !CONTROL.test(value), 'must not contain a control character')
    .refine((value) => value.isWellFormed(), 'must be valid Unicode');

export const whole = (max: number, min = 1) =>
  z
    .number('must be a whole number')
    .int('must be a whole number')
    .min(min, `must be at least ${min}`)
    .max(max, `must be at most ${max}`);

/** A schema for each grant field. rules.ts and reach.ts check fields of the type `checked`. */
const FIELDS = Object.entries<GrantField>(GRANT_FIELDS).map(([name, field]) => {
  const { example } = field;
  const description =
    field.type === 'flag'
      ? `${field.description}; default: ${field.default ?? false}`
      : field.description;
  const schema = schemaOf(field).meta({
    description,
    ...(example !== undefined && { examples: [example] }),
  });
  return { name, field, schema };
});

type FieldSchema<N extends FieldName> = z.ZodType<Exclude<GrantRequest[N], undefined>>;

export function fieldSchemas<N extends FieldName = FieldName>(
  wanted: (field: GrantField) => boolean = () => true,
) {
  const selected = FIELDS.filter(({ field }) => wanted(field));
  return Object.fromEntries(selected.map(({ name, schema }) => [name, schema.optional()])) as {
    [K in N]: z.ZodOptional<FieldSchema<K>>;
  };
}

function schemaOf(field: GrantField): z.ZodType {
  switch (field.type) {
    case 'checked':
      return z.string('must be a string');
    case 'whole':
      return whole(field.max, field.min);
    case 'choice':
      return z.enum(field.of, `must be ${field.of.join(' or ')}`);
    case 'flag':
      return z.boolean('must be true or false');
    case 'list':
      return z
        .array(text(field.maxLength), `must be a list of ${field.items}`)
        .min(1, `must not be empty: without it, ${field.absent}`)
        .max(field.maxItems, `must have at most ${field.maxItems} entries`);
    case 'text': {
      const { maxLength, minLength, without: [pattern, name] = [] } = field;
      if (pattern === undefined) return text(maxLength, minLength);
      return text(maxLength, minLength).refine(
        (value) => !pattern.test(value),
        `must not contain ${name}`,
      );
    }
  }
}
