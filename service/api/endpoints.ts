import { STATUS_CODES } from 'node:http';
import { GRANT_FIELDS } from '../domain/grant-fields.ts';
import { PROBLEM_TYPE, type ProblemCode, statusOf } from '../problem.ts';
import { FORM_TYPE, JSON_TYPE } from './http.ts';
import { MAX_BATCH, MAX_PAGE } from './schema.ts';

// What the OpenAPI document says of each endpoint.

/** Possible for every request with a key. */
const ALWAYS: readonly ProblemCode[] = ['invalid_client', 'internal_error', 'unavailable'];

/** Possible for every request with a body. */
const WITH_BODY: readonly ProblemCode[] = [
  'invalid_request',
  'content_too_large',
  'unsupported_media_type',
];

export const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const listOf = (name: string, description: string) => ({
  ...{ type: 'array', description, minItems: 1, maxItems: MAX_BATCH },
  items: ref(name),
});

const content = (type: string, schema: object) => ({ content: { [type]: { schema } } });

const json = (description: string, schema: object) => ({
  description,
  ...content(JSON_TYPE, schema),
});

const body = (type: string, schema: object) => ({ required: true, ...content(type, schema) });

const form = (fields: Readonly<Record<string, string>>) => ({
  type: 'object',
  properties: Object.fromEntries(
    Object.entries(fields).map(([name, description]) => [name, { type: 'string', description }]),
  ),
  required: Object.keys(fields),
});

const query = (name: string, description: string, schema: object) => ({
  ...{ name, in: 'query', description },
  schema,
});

const text = (mime: string, description: string) => ({
  description,
  ...content(mime, { type: 'string' }),
});

/** What a group of operations is for. */
export const TAGS = {
  Tokens: 'Issue, show, list, change and revoke tokens.',
  OAuth: 'The endpoints of OAuth 2.0 for introspection and revocation.',
  Service: 'For operators and tools. None of these needs a key.',
};

const operation =
  (tag: keyof typeof TAGS) => (operationId: string, summary: string, description: string) => ({
    operationId,
    tags: [tag],
    summary,
    description,
  });
const tokens = operation('Tokens');
const oauth = operation('OAuth');
const service = operation('Service');

/** An endpoint that needs no key. */
const open = (about: ReturnType<typeof service>, answer: object, ...codes: ProblemCode[]) => ({
  get: { ...about, security: [], responses: { 200: answer, ...byStatus(codes) } },
});

const problems = (...codes: ProblemCode[]) => byStatus([...ALWAYS, ...codes]);

/** One response for each status, with its possible codes. */
function byStatus(codes: readonly ProblemCode[]) {
  const statuses = new Set(codes.map(statusOf));
  return Object.fromEntries(
    [...statuses].map((status) => {
      const names = codes.filter((code) => statusOf(code) === status);
      const description = `${STATUS_CODES[status]}: ${names.join(', ')}.`;
      return [status, { description, ...content(PROBLEM_TYPE, ref('Problem')) }];
    }),
  );
}

const SUBJECT = {
  type: 'string',
  minLength: 1,
  maxLength: GRANT_FIELDS.subject.maxLength,
  examples: ['user-42'],
};

/** Whose tokens a list or a revocation is about. */
const SELECTED = [
  query('subject', 'The subject of the tokens.', SUBJECT),
  query('client', 'The client that issued them; another than your own needs `admin: true`.', {
    ...{ type: 'string', minLength: 1, examples: ['web'] },
  }),
];

/** The endpoints, in the order of docs/http.md. */
export const PATHS = {
  '/tokens': {
    post: {
      ...tokens(
        'issueToken',
        'Issue a token',
        'Issues a token for one file (`path`) or one folder (`prefix`).',
      ),
      requestBody: body(JSON_TYPE, ref('TokenRequest')),
      responses: {
        201: json('Issued.', ref('IssuedToken')),
        ...problems(...WITH_BODY, 'insufficient_scope'),
      },
    },
    get: {
      ...tokens(
        'listTokens',
        'List tokens',
        'Live tokens of a client, ordered by their end, page by page. Without parameters: all of your own.',
      ),
      parameters: [
        ...SELECTED,
        query('path', 'Exactly the `path` or `prefix` of the tokens.', {
          ...{ type: 'string', minLength: 1, examples: [GRANT_FIELDS.path.example] },
        }),
        query('limit', 'Tokens in a page.', {
          type: 'integer',
          minimum: 1,
          maximum: MAX_PAGE,
          default: 100,
        }),
        query('cursor', '`next_cursor` of the previous page.', { type: 'string' }),
      ],
      responses: {
        200: json('A page.', ref('TokenPage')),
        ...problems('invalid_request', 'insufficient_scope'),
      },
    },
    delete: {
      ...tokens(
        'revokeTokens',
        'Revoke the tokens of a subject or a client',
        'Revokes all of them at one point in time. At least one of the parameters is required.',
      ),
      parameters: SELECTED,
      responses: {
        200: json('Number of revoked tokens.', ref('Revoked')),
        ...problems('invalid_request', 'insufficient_scope'),
      },
    },
  },
  '/tokens/batch': {
    post: {
      ...tokens(
        'issueTokens',
        'Issue many tokens',
        'Issues all of the tokens or none, in the same order, in one round trip to the store.',
      ),
      requestBody: body(JSON_TYPE, listOf('TokenRequest', 'One request for each token.')),
      responses: {
        201: json('Issued.', listOf('IssuedToken', 'In the order of the requests.')),
        ...problems(...WITH_BODY, 'insufficient_scope'),
      },
    },
  },
  '/tokens/{id}': {
    parameters: [
      {
        name: 'id',
        in: 'path',
        required: true,
        description: 'A token ID.',
        schema: ref('TokenId'),
      },
    ],
    get: {
      ...tokens('showToken', 'Show a token', 'The state of a live token that this client issued.'),
      responses: { 200: json('The state.', ref('Token')), ...problems('not_found') },
    },
    patch: {
      ...tokens(
        'prolongToken',
        'Change when a token ends',
        'The new end is `expires_in` seconds from now: later or earlier.',
      ),
      requestBody: body(JSON_TYPE, ref('ProlongRequest')),
      responses: {
        200: json('The new state.', ref('Token')),
        ...problems(...WITH_BODY, 'insufficient_scope', 'not_found'),
      },
    },
    delete: {
      ...tokens('revokeToken', 'Revoke a token', 'Revokes a live token that this client issued.'),
      responses: { 204: { description: 'Revoked.' }, ...problems('not_found') },
    },
  },
  '/introspect': {
    post: {
      ...oauth(
        'introspectToken',
        'Introspect a token',
        'RFC 7662. A token that has ended, or of another client, is not active.',
      ),
      requestBody: body(FORM_TYPE, form({ token: 'The token.' })),
      responses: { 200: json('Active or not.', ref('Introspection')), ...problems(...WITH_BODY) },
    },
  },
  '/revoke': {
    post: {
      ...oauth(
        'revoke',
        'Revoke a token by its text',
        "RFC 7009. Another issuer's token is revoked by its `iss` and `jti`.",
      ),
      requestBody: body(FORM_TYPE, {
        oneOf: [
          form({ token: 'The token.' }),
          form({ iss: "The token's issuer.", jti: "The token's JWT ID." }),
        ],
      }),
      responses: {
        200: { description: 'Revoked, or not found.' },
        ...problems(...WITH_BODY, 'unsupported_token_type'),
      },
    },
  },
  '/livez': open(
    service('isAlive', 'The process answers', 'Does not ask the store.'),
    json('OK.', ref('Health')),
  ),
  '/readyz': open(
    service(
      'isReady',
      'The store takes a write',
      'Shows the masters and replicas of the store, and warnings.',
    ),
    json('OK.', ref('Health')),
    'unavailable',
  ),
  '/metrics': open(
    service('getMetrics', 'Metrics', "Metrics in Prometheus' text format."),
    text('text/plain', 'Text, version 0.0.4.'),
  ),
  '/.well-known/jwks.json': open(
    service('getKeys', 'Public keys', "The keys that verify Postern's JWTs."),
    {
      description: 'A JWK Set (RFC 7517).',
      ...content('application/jwk-set+json', {
        type: 'object',
        properties: { keys: { type: 'array', description: 'JWKs.', items: { type: 'object' } } },
        required: ['keys'],
      }),
    },
  ),
  '/openapi.json': open(
    service('getOpenapi', 'This document', 'The API in OpenAPI 3.1.'),
    json('An OpenAPI document.', { type: 'object' }),
  ),
};
