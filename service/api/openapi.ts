import type { Context } from 'hono';
import { z } from 'zod';
import { PATHS, ref, TAGS } from './endpoints.ts';
import * as schemas from './schema.ts';

interface Described {
  readonly version: string;
  /** Absent: another listener has the metrics. */
  readonly metrics?: unknown;
}

/** `GET /openapi.json`. */
export function openapiHandler({ version, metrics }: Described) {
  let document: string | undefined;
  return (c: Context) => {
    document ??= JSON.stringify(openapi(version, metrics !== undefined));
    return c.body(document, 200, { 'Content-Type': 'application/json' });
  };
}

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

const TOKEN_REQUEST = {
  description: 'Exactly one of `path` and `prefix`.',
  oneOf: [ref('FileTokenRequest'), ref('FolderTokenRequest')],
};

/**
 * The API in OpenAPI 3.1, with the schemas that check requests.
 * https://spec.openapis.org/oas/v3.1.1.html
 */
export function openapi(version: string, hasMetrics = true) {
  const { '/metrics': metrics, ...others } = PATHS;
  return {
    openapi: '3.1.1',
    info: {
      title: 'Postern',
      version,
      description: 'Short-lived download tokens. This is the API; the gate is for nginx.',
      contact: { name: 'The operator of this service' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The address of POSTERN_API_LISTEN.' }],
    security: [{ bearer: [] }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: { ...others, ...(hasMetrics && { '/metrics': metrics }) },
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key, or a JWT of an issuer that is trusted for clients.',
        },
      },
      schemas: { TokenRequest: TOKEN_REQUEST, ...components() },
    },
  };
}

function components(): object {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id });
  const uri = (id: string) => ref(id).$ref;
  const { schemas } = z.toJSONSchema(registry, { uri, io: 'input' });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema, $id, ...schema }]) => [id, schema]),
  );
}
