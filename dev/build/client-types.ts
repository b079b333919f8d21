import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import * as schemas from '../../service/api/schema.ts';
import { fieldSchemas } from '../../service/issue/fields.ts';
import { projectRoot } from '../../test/harness/paths.ts';

// Writes the types of client/types.ts as text, so that the published client needs neither the service nor
// zod. A field of a schema appears in it with its description and bounds.

const { subject, expires_in } = fieldSchemas();

// TypeScript accepts an object with the fields of both, unless each forbids the other's.
const absent = z.never().optional();
const fileRequest = schemas.fileRequest.extend({ prefix: absent });
const folderRequest = schemas.folderRequest.extend({ path: absent });

const TYPES: Readonly<Record<string, z.ZodType>> = {
  FileRequest: fileRequest,
  FolderRequest: folderRequest,
  TokenRequest: z.union([fileRequest, folderRequest]),
  SignRequest: z.strictObject({
    ...fieldSchemas(({ claim }) => claim === undefined),
    subject,
    expires_in: expires_in.unwrap(),
  }),
  IssuedToken: schemas.issued,
  TokenState: schemas.state,
  TokenPage: schemas.page,
  Introspection: schemas.introspection,
};

type Schema = z.core.JSONSchema.JSONSchema;

/** The text of types.d.ts. */
export function clientTypes(types = TYPES): string {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(types)) registry.add(schema, { id });
  const options = { io: 'input', uri: (id: string) => id } as const;
  const { schemas: described } = z.toJSONSchema(registry, options);
  return Object.keys(types)
    .map((name) => `export type ${name} = ${typeOf(described[name] as Schema)};\n`)
    .join('\n');
}

function typeOf(schema: Schema, indent = ''): string {
  const { $ref, const: only, enum: values, anyOf, oneOf, type, items, properties } = schema;
  if ($ref !== undefined) return $ref;
  if (schema.not !== undefined) return 'never';
  if (only !== undefined) return JSON.stringify(only);
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' | ');
  const union = anyOf ?? oneOf;
  if (union !== undefined) return union.map((one) => typeOf(one as Schema, indent)).join(' | ');
  if (type === 'array') return `ReadonlyArray<${typeOf(items as Schema, indent)}>`;
  if (type === 'integer') return 'number';
  if (type === 'string' || type === 'number' || type === 'boolean') return type;
  if (type !== 'object') throw new Error(`no type for the schema ${JSON.stringify(schema)}`);
  const required = new Set(schema.required);
  const fields = Object.entries(properties ?? {}).map(([name, value]) => {
    const field = value as Schema;
    const [mark, undef] = required.has(name) ? ['', ''] : ['?', ' | undefined'];
    return `${comment(field, indent)}${indent}  readonly ${name}${mark}: ${typeOf(field, `${indent}  `)}${undef};\n`;
  });
  return `{\n${fields.join('')}${indent}}`;
}

/** The description and the bounds of a field, as TSDoc. */
function comment({ description, minimum, maximum, ...schema }: Schema, indent: string): string {
  const isBounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  const sentences = [
    description,
    isBounded && `From ${minimum} to ${maximum}.`,
    schema.maxLength !== undefined && `At most ${schema.maxLength} characters.`,
    schema.maxItems !== undefined && `At most ${schema.maxItems} entries.`,
  ].filter((sentence) => typeof sentence === 'string');
  if (sentences.length === 0) return '';
  const text = sentences.map((sentence) =>
    sentence.replace(/^[a-z]/, (letter) => letter.toUpperCase()).replace(/[^.]$/, '$&.'),
  );
  return `${indent}  /** ${text.join(' ').replaceAll('*/', '*\\/')} */\n`;
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(join(projectRoot, 'dist', 'client', 'types.d.ts'), clientTypes());
}
