import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { PROBLEM_TYPE, type ProblemCode, statusOf } from '../problem.ts';
import { GRANT_FIELDS } from '../token/grant-fields.ts';
import { FORM_TYPE, JSON_TYPE } from './http.ts';
import * as schemas from './schema.ts';

/** The schemas that generated code names. */
const SCHEMAS = {
  FileTokenRequest: schemas.fileRequest,
  FolderTokenRequest: schemas.folderRequest,
  ProlongRequest: schemas.prolongRequest,
  TokenId: schemas.tokenIdSchema,
  IssuedToken: schemas.issued,
  Requester: schemas.requester,
  Delivered: schemas.delivered,
  Token: schemas.state,
  TokenPage: schemas.page,
  Revoked: schemas.revoked,
  Introspection: schemas.introspection,
  Health: schemas.health,
  Problem: schemas.problemDocument,
};

const ref = (name: keyof typeof SCHEMAS | 'TokenRequest') => ({
  $ref: `#/components/schemas/${name}`,
});

const ID = { name: 'id', in: 'path', required: true, description: 'A token ID.' };

const query = (name: string, description: string, schema: object) => {
  return { name, in: 'query', description, schema };
};

const text = (example: string) => ({ type: 'string', minLength: 1, examples: [example] });

const { maxLength } = GRANT_FIELDS.subject;
const OWNER = 'The client that issued the tokens. Only `admin: true` allows another client.';

/** The parameters that select tokens, for a list or a revocation. */
const SELECTED = [
  query('subject', 'The subject of the tokens.', { ...text('user-42'), maxLength }),
  query('client', OWNER, text('web')),
];

const PAGE = [
  query('path', 'Exactly the `path` or `prefix` of the tokens.', text(GRANT_FIELDS.path.example)),
  query('limit', 'Tokens in a page.', {
    ...{ type: 'integer', minimum: 1, maximum: schemas.MAX_PAGE, default: 100 },
  }),
  query('cursor', '`next_cursor` of the previous page.', { type: 'string' }),
];

const batchOf = (name: Parameters<typeof ref>[0], description: string) => ({
  ...{ type: 'array', description, minItems: 1, maxItems: schemas.MAX_BATCH },
  items: ref(name),
});

const form = (fields: Readonly<Record<string, string>>) => ({
  type: 'object',
  properties: Object.fromEntries(
    Object.entries(fields).map(([name, description]) => [name, { type: 'string', description }]),
  ),
  required: Object.keys(fields),
});

const JWKS = {
  type: 'object',
  properties: { keys: { type: 'array', description: 'JWKs.', items: { type: 'object' } } },
  required: ['keys'],
};

interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly object[];
  readonly json?: object;
  readonly form?: object;
  /** Without a schema: no body. Without a type: JSON. */
  readonly answer: readonly [status: number, description: string, schema?: object, type?: string];
  /** Codes of problems, besides those of the key and the body. */
  readonly codes?: readonly ProblemCode[];
}

/** The groups of operations. */
const TAGS = {
  Tokens: 'Issue, show, list, change and revoke tokens.',
  OAuth: 'The endpoints of OAuth 2.0 for introspection and revocation.',
  Service: 'For operators and tools. None of these needs a key.',
};

/** The endpoints, in the order of docs/http.md. */
const OPERATIONS: Record<keyof typeof TAGS, Readonly<Record<string, Operation>>> = {
  Tokens: {
    'post /tokens': {
      id: 'issueToken',
      summary: 'Issue a token',
      description: 'Issues a token for one file (`path`) or one folder (`prefix`).',
      json: ref('TokenRequest'),
      answer: [201, 'Issued.', ref('IssuedToken')],
      codes: ['insufficient_scope'],
    },
    'get /tokens': {
      id: 'listTokens',
      summary: 'List tokens',
      description:
        'Lists live tokens of a client in pages, ordered by their end. Without parameters: those of your own client.',
      parameters: [...SELECTED, ...PAGE],
      answer: [200, 'A page.', ref('TokenPage')],
      codes: ['invalid_request', 'insufficient_scope'],
    },
    'delete /tokens': {
      id: 'revokeTokens',
      summary: 'Revoke the tokens of a subject or a client',
      description:
        'Revokes all tokens that were issued before the request. At least one of the parameters is required.',
      parameters: SELECTED,
      answer: [200, 'Number of revoked tokens.', ref('Revoked')],
      codes: ['invalid_request', 'insufficient_scope'],
    },
    'post /tokens/batch': {
      id: 'issueTokens',
      summary: 'Issue many tokens',
      description:
        'Issues all of the tokens or none, in the same order, in one round trip to the store.',
      json: batchOf('TokenRequest', 'One request for each token.'),
      answer: [201, 'Issued.', batchOf('IssuedToken', 'In the order of the requests.')],
      codes: ['insufficient_scope'],
    },
    'get /tokens/{id}': {
      id: 'showToken',
      summary: 'Show a token',
      description: 'Shows the state of a live token that this client issued.',
      answer: [200, 'The state.', ref('Token')],
      codes: ['not_found'],
    },
    'patch /tokens/{id}': {
      id: 'prolongToken',
      summary: 'Change when a token ends',
      description: 'The new end is `expires_in` seconds from now: later or earlier.',
      json: ref('ProlongRequest'),
      answer: [200, 'The new state.', ref('Token')],
      codes: ['insufficient_scope', 'not_found'],
    },
    'delete /tokens/{id}': {
      id: 'revokeToken',
      summary: 'Revoke a token',
      description: 'Revokes a live token that this client issued.',
      answer: [204, 'Revoked.'],
      codes: ['not_found'],
    },
  },
  OAuth: {
    'post /introspect': {
      id: 'introspectToken',
      summary: 'Introspect a token',
      description: 'RFC 7662. A token that has ended or belongs to another client is not active.',
      form: form({ token: 'The token.' }),
      answer: [200, 'Active or not.', ref('Introspection')],
    },
    'post /revoke': {
      id: 'revoke',
      summary: 'Revoke a token by its text',
      description: "RFC 7009. To revoke another issuer's token, send its `iss` and `jti`.",
      form: {
        oneOf: [
          form({ token: 'The token.' }),
          form({ iss: "The token's issuer.", jti: "The token's JWT ID." }),
        ],
      },
      answer: [200, 'Revoked, or not found.'],
      codes: ['unsupported_token_type'],
    },
  },
  Service: {
    'get /livez': {
      id: 'isAlive',
      summary: 'Check the process',
      description: 'Responds with 200 if the process runs. It does not check the store.',
      answer: [200, 'OK.', ref('Health')],
    },
    'get /readyz': {
      id: 'isReady',
      summary: 'Check the store',
      description:
        'Writes to each master of the store. Shows the masters, the replicas and warnings.',
      answer: [200, 'OK.', ref('Health')],
      codes: ['unavailable'],
    },
    'get /metrics': {
      id: 'getMetrics',
      summary: 'Show metrics',
      description: "Metrics in Prometheus' text format.",
      answer: [200, 'Text, version 0.0.4.', { type: 'string' }, 'text/plain'],
    },
    'get /.well-known/jwks.json': {
      id: 'getKeys',
      summary: 'Show the public keys',
      description: "The keys that verify Postern's JWTs.",
      answer: [200, 'A JWK Set (RFC 7517).', JWKS, 'application/jwk-set+json'],
    },
    'get /openapi.json': {
      id: 'getOpenapi',
      summary: 'Show this document',
      description: 'The API in OpenAPI 3.1.',
      answer: [200, 'An OpenAPI document.', { type: 'object' }],
    },
  },
};

const content = (type: string, schema: object) => ({ content: { [type]: { schema } } });

/** Codes of problems that are possible for every request with a key, and for every one with a body. */
const WITH_KEY = ['invalid_client', 'internal_error', 'unavailable'] as const;
const WITH_BODY = ['invalid_request', 'content_too_large', 'unsupported_media_type'] as const;

function describe(tag: string, { id, summary, description, parameters, ...about }: Operation) {
  const { json, form, answer, codes = [] } = about;
  const [status, meaning, schema, type = JSON_TYPE] = answer;
  const body = json ? content(JSON_TYPE, json) : form && content(FORM_TYPE, form);
  const isOpen = tag === 'Service';
  const possible = [...(isOpen ? [] : WITH_KEY), ...(body ? WITH_BODY : []), ...codes];
  return {
    ...{ operationId: id, tags: [tag], summary, description },
    ...(isOpen && { security: [] }),
    ...(parameters && { parameters }),
    ...(body && { requestBody: { required: true, ...body } }),
    responses: {
      [status]: { description: meaning, ...(schema && content(type, schema)) },
      ...problems(possible),
    },
  };
}

/** One response for each status, with its possible codes. */
function problems(codes: readonly ProblemCode[]): object {
  const entries = [...new Set(codes.map(statusOf))].map((status) => {
    const names = codes.filter((code) => statusOf(code) === status);
    const description = `${STATUS_CODES[status]}: ${names.join(', ')}.`;
    return [status, { description, ...content(PROBLEM_TYPE, ref('Problem')) }];
  });
  return Object.fromEntries(entries);
}

function paths(hasMetrics: boolean): object {
  const items: Record<string, object> = {};
  for (const [tag, operations] of Object.entries(OPERATIONS)) {
    for (const [name, operation] of Object.entries(operations)) {
      const [method = '', path = ''] = name.split(' ');
      if (path === '/metrics' && !hasMetrics) continue;
      const item = path.includes('{id}') && { parameters: [{ ...ID, schema: ref('TokenId') }] };
      items[path] = { ...items[path], ...item, [method]: describe(tag, operation) };
    }
  }
  return items;
}

function components(): object {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id });
  const uri = (id: string) => `#/components/schemas/${id}`;
  const { schemas } = z.toJSONSchema(registry, { uri, io: 'input' });
  const entries = Object.entries(schemas).map(([id, { $schema, $id, ...one }]) => [id, one]);
  const oneOf = [ref('FileTokenRequest'), ref('FolderTokenRequest')];
  const TokenRequest = { description: 'Exactly one of `path` and `prefix`.', oneOf };
  return { TokenRequest, ...Object.fromEntries(entries) };
}

/**
 * The API in OpenAPI 3.1, with the schemas that check requests.
 * https://spec.openapis.org/oas/v3.1.1.html
 */
export function openapi(version: string, hasMetrics = true) {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Postern',
      version,
      description:
        'Issues and manages short-lived download tokens. nginx uses another listener, the gate.',
      contact: { name: 'The operator of this service' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The address of POSTERN_API_LISTEN.' }],
    security: [{ bearer: [] }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: paths(hasMetrics),
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key, or a JWT of an issuer that is trusted for clients.',
        },
      },
      schemas: components(),
    },
  };
}
