import {
  body,
  FORM_TYPE,
  form,
  JSON_TYPE,
  json,
  oneOrMany,
  open,
  problems,
  query,
  ref,
  WITH_BODY,
} from './openapi-parts.ts';

/** Each endpoint of the API. */
export const PATHS = {
  '/tokens': {
    post: {
      summary: 'Issue one token, or up to a thousand: all or none.',
      requestBody: body(JSON_TYPE, oneOrMany('grantRequest')),
      responses: {
        201: json('Issued.', oneOrMany('issued')),
        ...problems(...WITH_BODY, 'insufficient_scope'),
      },
    },
    get: {
      summary: "A subject's live tokens, page by page.",
      parameters: [
        query('subject', { type: 'string' }, true),
        query('limit', { type: 'integer', minimum: 1, maximum: 1000, default: 100 }),
        query('cursor', { type: 'string', description: '`next_cursor` of the page before.' }),
      ],
      responses: { 200: json('A page.', ref('page')), ...problems('invalid_request') },
    },
    delete: {
      summary: "Revoke all of a subject's tokens.",
      parameters: [query('subject', { type: 'string' }, true)],
      responses: { 200: json('How many.', ref('revoked')), ...problems('invalid_request') },
    },
  },
  '/tokens/{id}': {
    parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
    get: {
      summary: "A token's state.",
      responses: { 200: json('Its state.', ref('state')), ...problems('not_found') },
    },
    patch: {
      summary: 'Let it end at another time.',
      requestBody: body(JSON_TYPE, ref('prolongRequest')),
      responses: {
        200: json('Its new state.', ref('state')),
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
      summary: 'Revoke a token (RFC 7009), or one of another issuer by its `iss` and `jti`.',
      requestBody: body(FORM_TYPE, { anyOf: [form('token'), form('iss', 'jti')] }),
      responses: {
        200: { description: 'Revoked, or never there.' },
        ...problems(...WITH_BODY, 'unsupported_token_type'),
      },
    },
  },
  '/livez': open('The process answers.', json('It does.', ref('health'))),
  '/readyz': open('The store takes a write.', json('It does.', ref('health')), 'unavailable'),
  '/metrics': open('Counts and times, for Prometheus.', { description: 'Text, version 0.0.4.' }),
  '/.well-known/jwks.json': open('Public keys of JWTs.', { description: 'A JWKS (RFC 7517).' }),
  '/openapi.json': open('This.', { description: 'OpenAPI 3.1.' }),
};
