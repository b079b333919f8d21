import type { Context } from 'hono';
import { z } from 'zod';
import * as answers from '../schema/answer.ts';
import { PATHS } from './openapi-paths.ts';
import { grantRequest, prolongRequest } from './schema.ts';

/**
 * `GET /openapi.json`: the API, as OpenAPI 3.1 describes one. What may be asked for comes from the schemas that
 * check it. https://spec.openapis.org/oas/v3.1.1.html
 */
export function openapiHandler({ version }: { readonly version: string }) {
  let document: string | undefined;
  return (c: Context) => {
    document ??= JSON.stringify(openapi(version));
    return c.body(document, 200, { 'Content-Type': 'application/json' });
  };
}

const { issued, state, page, revoked, introspection, health, problem } = answers;
const SCHEMAS = {
  grantRequest,
  prolongRequest,
  issued,
  state,
  page,
  revoked,
  introspection,
  health,
  problem,
};

function openapi(version: string) {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Postern',
      version,
      description: 'Short-lived download tokens. The API alone: the gate is for nginx.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    security: [{ bearer: [] }],
    paths: PATHS,
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
