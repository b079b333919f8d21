import { STATUS_CODES } from 'node:http';
import type { Context } from 'hono';
import { z } from 'zod';
import { PROBLEM_TYPE, type ProblemCode, statusOf } from '../problem.ts';
import * as schemas from './schema.ts';
import { MAX_BATCH, MAX_PAGE } from './schema.ts';

export const JSON_TYPE = 'application/json';
export const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Possible for every request with a key. */
const ALWAYS: readonly ProblemCode[] = ['invalid_client', 'internal_error', 'unavailable'];

/** Possible for every request with a body. */
const WITH_BODY: readonly ProblemCode[] = [
  'invalid_request',
  'content_too_large',
  'unsupported_media_type',
];

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const oneOrMany = (name: string) => ({
  oneOf: [ref(name), { type: 'array', minItems: 1, maxItems: MAX_BATCH, items: ref(name) }],
});

const content = (type: string, schema: object) => ({ content: { [type]: { schema } } });

const json = (description: string, schema: object) => ({
  description,
  ...content(JSON_TYPE, schema),
});

const body = (type: string, schema: object) => ({ required: true, ...content(type, schema) });

const form = (...names: string[]) => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  required: names,
});

const query = (name: string, schema: object, description?: string) => ({
  name,
  in: 'query',
  schema,
  ...(description && { description }),
});

const SELECTED = [
  query('subject', { type: 'string' }, 'The `subject` of the tokens.'),
  query(
    'client',
    { type: 'string' },
    'The client that issued the tokens. Another one than your own needs `admin: true`.',
  ),
];

/** An endpoint that needs no key. */
const open = (summary: string, answer: object, ...codes: ProblemCode[]) => ({
  get: { summary, security: [], responses: { 200: answer, ...byStatus(codes) } },
});

const problems = (...codes: ProblemCode[]) => byStatus([...ALWAYS, ...codes]);

/** One response for each status, with its possible codes. */
function byStatus(codes: readonly ProblemCode[]) {
  const statuses = new Set(codes.map(statusOf));
  return Object.fromEntries(
    [...statuses].map((status) => {
      const names = codes.filter((code) => statusOf(code) === status);
      const description = `${STATUS_CODES[status]}: ${names.join(', ')}.`;
      return [status, { description, ...content(PROBLEM_TYPE, ref('problem')) }];
    }),
  );
}

const PATHS = {
  '/tokens': {
    post: {
      summary: 'Issue one token, or up to a thousand, all or none.',
      requestBody: body(JSON_TYPE, oneOrMany('grantRequest')),
      responses: {
        201: json('Issued.', oneOrMany('issued')),
        ...problems(...WITH_BODY, 'insufficient_scope'),
      },
    },
    get: {
      summary: 'Live tokens, page by page.',
      parameters: [
        ...SELECTED,
        query('path', { type: 'string' }, 'Exactly the `path` or `prefix` of the tokens.'),
        query('limit', { type: 'integer', minimum: 1, maximum: MAX_PAGE, default: 100 }),
        query('cursor', { type: 'string' }, '`next_cursor` of the previous page.'),
      ],
      responses: {
        200: json('A page.', ref('page')),
        ...problems('invalid_request', 'insufficient_scope'),
      },
    },
    delete: {
      summary: 'Revoke all tokens of a subject or of a client. One of the parameters is required.',
      parameters: SELECTED,
      responses: {
        200: json('Number of revoked tokens.', ref('revoked')),
        ...problems('invalid_request', 'insufficient_scope'),
      },
    },
  },
  '/tokens/{id}': {
    parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
    get: {
      summary: "A token's state.",
      responses: { 200: json('The state.', ref('state')), ...problems('not_found') },
    },
    patch: {
      summary: 'Change when it ends.',
      requestBody: body(JSON_TYPE, ref('prolongRequest')),
      responses: {
        200: json('The new state.', ref('state')),
        ...problems(...WITH_BODY, 'insufficient_scope', 'not_found'),
      },
    },
    delete: {
      summary: 'Revoke it.',
      responses: { 204: { description: 'Revoked.' }, ...problems('not_found') },
    },
  },
  '/introspect': {
    post: {
      summary: "A token's state (RFC 7662).",
      requestBody: body(FORM_TYPE, form('token')),
      responses: { 200: json('Active or not.', ref('introspection')), ...problems(...WITH_BODY) },
    },
  },
  '/revoke': {
    post: {
      summary: "Revoke a token (RFC 7009), or another issuer's token by its `iss` and `jti`.",
      requestBody: body(FORM_TYPE, { anyOf: [form('token'), form('iss', 'jti')] }),
      responses: {
        200: { description: 'Revoked, or not found.' },
        ...problems(...WITH_BODY, 'unsupported_token_type'),
      },
    },
  },
  '/livez': open('The process answers.', json('OK.', ref('health'))),
  '/readyz': open('The store takes a write.', json('OK.', ref('health')), 'unavailable'),
  '/metrics': open('Metrics for Prometheus.', { description: 'Text, version 0.0.4.' }),
  '/.well-known/jwks.json': open('Public keys for JWTs.', { description: 'A JWKS (RFC 7517).' }),
  '/openapi.json': open('This document.', { description: 'OpenAPI 3.1.' }),
};

/** If another listener has the metrics. */
const { '/metrics': _, ...OTHER_PATHS } = PATHS;

interface Described {
  readonly version: string;
  readonly metrics?: unknown;
}

/**
 * `GET /openapi.json`: the API in OpenAPI 3.1, with the schemas that check requests.
 * https://spec.openapis.org/oas/v3.1.1.html
 */
export function openapiHandler({ version, metrics }: Described) {
  let document: string | undefined;
  return (c: Context) => {
    document ??= JSON.stringify(openapi(version, metrics === undefined ? OTHER_PATHS : PATHS));
    return c.body(document, 200, { 'Content-Type': 'application/json' });
  };
}

const SCHEMAS = {
  grantRequest: schemas.grantRequest,
  prolongRequest: schemas.prolongRequest,
  issued: schemas.issued,
  state: schemas.state,
  page: schemas.page,
  revoked: schemas.revoked,
  introspection: schemas.introspection,
  health: schemas.health,
  problem: schemas.problemDocument,
};

function openapi(version: string, paths: object) {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Postern',
      version,
      description: 'Short-lived download tokens. This is the API; the gate is for nginx.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key, or a JWT of an issuer that is trusted for clients.',
        },
      },
      schemas: Object.fromEntries(
        Object.entries(SCHEMAS).map(([name, schema]) => [name, jsonSchema(schema)]),
      ),
    },
  };
}

function jsonSchema(schema: z.ZodType): object {
  const { $schema, ...described } = z.toJSONSchema(schema, { io: 'input' });
  return described;
}
