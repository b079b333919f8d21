import { STATUS_CODES } from 'node:http';
import type { Context, Hono, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { createMiddleware } from 'hono/factory';
import { z } from 'zod';
import { PROBLEM_TYPE, type ProblemCode, statusOf } from '../problem.ts';
import type { ApiEnv } from './audit.ts';
import { MAX_BODY_BYTES } from './body.ts';
import { JSON_TYPE, problem } from './responses.ts';
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

const FORM_TYPE = 'application/x-www-form-urlencoded';

const TAGS = {
  Tokens: 'Issue, show, list, change and revoke tokens.',
  OAuth: 'The endpoints of OAuth 2.0 for introspection and revocation.',
  Service: 'For operators and tools. None of these needs a key.',
};

/** What an endpoint does for a method, and what the OpenAPI document says about it. */
export interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly object[];
  readonly json?: object;
  readonly form?: object;
  /** The limit for the body, instead of the usual one, and what else to do. */
  readonly maxBytes?: number;
  readonly advice?: string;
  /** If there is no schema, there is no body. The default type is JSON. */
  readonly answer: readonly [status: number, description: string, schema?: object, type?: string];
  readonly headers?: Readonly<Record<string, string>>;
  /** It can take more than a turn of the event loop. */
  readonly isHeavy?: true;
  /** Codes of problems, besides those of the key and the body. */
  readonly codes?: readonly ProblemCode[];
  readonly handle: (c: Context<ApiEnv>) => Response | Promise<Response>;
}

/** Codes of problems that are possible for every request with a key, and for every one with a body. */
const WITH_KEY = ['invalid_client', 'internal_error', 'unavailable'] as const;
const WITH_BODY = ['invalid_request', 'content_too_large', 'unsupported_media_type'] as const;

const ID = {
  ...{ name: 'id', in: 'path', required: true, description: 'A token ID.' },
  schema: ref('TokenId'),
};

export type AddEndpoint = ReturnType<typeof createEndpoints>;

/**
 * Adds the operations of a path to a listener, and what the OpenAPI document says about them to `paths`. For
 * OAuth, `authenticate` reads the body, so it comes after the limit. A body that no operation reads is limited, too.
 */
export function createEndpoints(
  api: Hono<ApiEnv>,
  paths: Record<string, object>,
  ...authenticate: MiddlewareHandler<ApiEnv>[]
) {
  const heavy = createHeavy();
  return (
    tag: keyof typeof TAGS,
    path: string,
    operations: Readonly<Record<string, Operation>>,
  ): void => {
    const route = path.replace('{id}', ':id');
    const item: Record<string, object> = path === route ? {} : { parameters: [ID] };
    for (const [method, operation] of Object.entries(operations)) {
      const { json, form, maxBytes, advice, isHeavy, handle } = operation;
      const limits = [...(isHeavy ? [heavy(maxBytes)] : []), limitBody(maxBytes, advice)];
      const checks = [...limits, ...authenticate];
      if (json ?? form) checks.push(requireType(json ? JSON_TYPE : FORM_TYPE));
      api.on(method.toUpperCase(), [route], ...checks, handle);
      item[method] = describe(tag, operation);
    }
    paths[path] = item;
    const methods = tag === 'Service' ? ['get', 'head'] : Object.keys(operations);
    const allow = methods.join(', ').toUpperCase();
    const headers = { Allow: allow };
    api.all(route, (c) => problem(c, 'method_not_allowed', `Use ${allow}.`, { headers }));
  };
}

/**
 * Rejects a longer body with 413. If the length is announced, Node reads no more than that, and hono's bodyLimit is not
 * needed: it makes a Request and a stream, a fifth of the cost of issuing a token.
 */
function limitBody(maxBytes = MAX_BODY_BYTES, advice = ''): MiddlewareHandler {
  const detail = `The body may have at most ${maxBytes} bytes.${advice}`;
  const tooLarge = (c: Context) => problem(c, 'content_too_large', detail);
  const counted = bodyLimit({ maxSize: maxBytes, onError: tooLarge });

  return async function limitBody(c, next) {
    if (c.req.header('transfer-encoding') !== undefined) return counted(c, next);
    const length = Number(c.req.header('content-length') ?? 0);
    return length > maxBytes ? tooLarge(c) : next();
  };
}

function requireType(type: string): MiddlewareHandler {
  return async (c, next) => {
    const sent = c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
    if (sent !== type) return problem(c, 'unsupported_media_type', `Send the body as ${type}.`);
    return next();
  };
}

/** How many batches, lists and revocations of many tokens one client may send at the same time. */
const MAX_OF_CLIENT = 8;

/** What the bodies of all clients may have together. In memory, a batch takes about four times its length. */
const MAX_BODIES_BYTES = 32 * 1024 * 1024;

const BUSY = `This client has ${MAX_OF_CLIENT} batches, lists and revocations in progress: try again later.`;
const FULL = `All batches in progress together may have ${MAX_BODIES_BYTES} bytes: try again later.`;
const LATER = { headers: { 'Retry-After': '1' } };

/**
 * Limits the requests that can take more than a turn of the event loop, for each process. It comes before the body is read,
 * so that a request waits in its client. A body without Content-Length counts as `maxBytes`.
 */
function createHeavy() {
  const inWork = new Map<string, number>();
  let bodies = 0;
  return (maxBytes = 0) =>
    createMiddleware<ApiEnv>(async (c, next) => {
      const { id } = c.get('client');
      const count = inWork.get(id) ?? 0;
      const bytes = Math.min(Number(c.req.header('content-length') ?? maxBytes), maxBytes);
      if (count >= MAX_OF_CLIENT) return problem(c, 'too_many_requests', BUSY, LATER);
      if (bodies + bytes > MAX_BODIES_BYTES) return problem(c, 'too_many_requests', FULL, LATER);
      inWork.set(id, count + 1);
      bodies += bytes;
      try {
        await next();
      } finally {
        bodies -= bytes;
        const left = (inWork.get(id) ?? 1) - 1;
        if (left > 0) inWork.set(id, left);
        else inWork.delete(id);
      }
    });
}

const content = (type: string, schema: object) => ({ content: { [type]: { schema } } });

function describe(
  tag: string,
  { id, summary, description, parameters, isHeavy, ...about }: Operation,
) {
  const { json, form, answer, headers, codes = [] } = about;
  const [status, meaning, schema, type = JSON_TYPE] = answer;
  const body = json ? content(JSON_TYPE, json) : form && content(FORM_TYPE, form);
  const isOpen = tag === 'Service';
  const possible = [...(isOpen ? [] : WITH_KEY), ...(body ? WITH_BODY : []), ...codes];
  if (isHeavy) possible.push('too_many_requests');
  return {
    ...{ operationId: id, tags: [tag], summary, description },
    ...(isOpen && { security: [] }),
    ...(parameters && { parameters }),
    ...(body && { requestBody: { required: true, ...body } }),
    responses: {
      [status]: {
        description: meaning,
        ...(headers && { headers: headersOf(headers) }),
        ...(schema && content(type, schema)),
      },
      ...problems(possible, tag === 'OAuth' ? JSON_TYPE : PROBLEM_TYPE),
    },
  };
}

function headersOf(headers: Readonly<Record<string, string>>): object {
  const entries = Object.entries(headers).map(([name, description]) => {
    return [name, { description, schema: { type: 'string' } }];
  });
  return Object.fromEntries(entries);
}

/** One response for each status, with its possible codes. */
function problems(codes: readonly ProblemCode[], type: string): object {
  const entries = [...new Set(codes.map(statusOf))].map((status) => {
    const names = codes.filter((code) => statusOf(code) === status);
    const description = `${STATUS_CODES[status]}: ${names.join(', ')}.`;
    return [status, { description, ...content(type, ref('Problem')) }];
  });
  return Object.fromEntries(entries);
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

/** The API in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1.html). `paths`: what the endpoints say of themselves. */
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
