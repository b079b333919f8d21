import { STATUS_CODES } from 'node:http';
import { PROBLEM_TYPE, type ProblemCode, statusOf } from './problem.ts';
import { MOST_AT_ONCE } from './schema.ts';

/** What OpenAPI documents are made of. */

export const JSON_TYPE = 'application/json';
export const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Of whatever is asked with a key. */
const ALWAYS: readonly ProblemCode[] = ['invalid_client', 'internal_error', 'unavailable'];

/** Of whatever has a body. */
export const WITH_BODY: readonly ProblemCode[] = [
  'invalid_request',
  'content_too_large',
  'unsupported_media_type',
];

export const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

export const oneOrMany = (name: string) => ({
  oneOf: [ref(name), { type: 'array', minItems: 1, maxItems: MOST_AT_ONCE, items: ref(name) }],
});

export const json = (description: string, schema: object) => ({
  description,
  content: { [JSON_TYPE]: { schema } },
});

export const body = (type: string, schema: object) => ({
  required: true,
  content: { [type]: { schema } },
});

/** A form with these fields, each once. */
export const form = (...names: string[]) => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  required: names,
});

export const query = (name: string, schema: object, required = false) => ({
  name,
  in: 'query',
  required,
  schema,
});

/** An endpoint that needs no key. */
export const open = (summary: string, answer: object, ...codes: ProblemCode[]) => ({
  get: { summary, security: [], responses: { 200: answer, ...byStatus(codes) } },
});

export const problems = (...codes: ProblemCode[]) => byStatus([...ALWAYS, ...codes]);

/** One answer a status, with the codes that it can have. */
function byStatus(codes: readonly ProblemCode[]) {
  const statuses = new Set(codes.map(statusOf));
  return Object.fromEntries(
    [...statuses].map((status) => {
      const names = codes.filter((code) => statusOf(code) === status);
      const description = `${STATUS_CODES[status]}: ${names.join(', ')}.`;
      return [status, { description, content: { [PROBLEM_TYPE]: { schema: ref('problem') } } }];
    }),
  );
}
