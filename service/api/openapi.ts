import { z } from 'zod';
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

export const ref = (name: keyof typeof SCHEMAS | 'TokenRequest') => ({
  $ref: `#/components/schemas/${name}`,
});

/** The groups of operations. */
const TAGS = {
  Tokens: 'Issue, show, list, change and revoke tokens.',
  OAuth: 'The endpoints of OAuth 2.0 for introspection and revocation.',
  Service: 'For operators and tools. None of these needs a key.',
};

export type Tag = keyof typeof TAGS;

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
 * The API in OpenAPI 3.1, with the schemas that check requests. `paths`: what the endpoints say about themselves.
 * https://spec.openapis.org/oas/v3.1.1.html
 */
export function openapi(version: string, paths: object) {
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
    paths,
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
