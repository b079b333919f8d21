import { STATUS_CODES } from 'node:http';
import type { Context, Hono, MiddlewareHandler } from 'hono';
import { PROBLEM_TYPE, type ProblemCode, statusOf } from '../problem.ts';
import { type ApiEnv, FORM_TYPE, JSON_TYPE, limitBody, notAllowed, requireType } from './http.ts';
import { ref, type Tag } from './openapi.ts';

/** What an endpoint does for a method, and what the OpenAPI document says about it. */
export interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly object[];
  /** The schema of the body. */
  readonly json?: object;
  readonly form?: object;
  /** Instead of the usual limit for the body, and what else to do. */
  readonly maxBytes?: number;
  readonly advice?: string;
  /** If there is no schema, there is no body. The default type is JSON. */
  readonly answer: readonly [status: number, description: string, schema?: object, type?: string];
  /** Codes of problems, besides those of the key and the body. */
  readonly codes?: readonly ProblemCode[];
  readonly handle: (c: Context<ApiEnv>) => Response | Promise<Response>;
}

/** A request with every field at its maximum length fits. */
const MAX_BODY_BYTES = 32 * 1024;

/** Codes of problems that are possible for every request with a key, and for every one with a body. */
const WITH_KEY = ['invalid_client', 'internal_error', 'unavailable'] as const;
const WITH_BODY = ['invalid_request', 'content_too_large', 'unsupported_media_type'] as const;

const ID = {
  ...{ name: 'id', in: 'path', required: true, description: 'A token ID.' },
  schema: ref('TokenId'),
};

/**
 * Adds the operations of a path to a listener, and what the OpenAPI document says about them to `paths`. `authenticate`
 * reads the body, so it comes after the limit.
 */
export function createEndpoints(
  api: Hono<ApiEnv>,
  paths: Record<string, object>,
  ...authenticate: MiddlewareHandler<ApiEnv>[]
) {
  return (tag: Tag, path: string, operations: Readonly<Record<string, Operation>>): void => {
    const route = path.replace('{id}', ':id');
    const item: Record<string, object> = path === route ? {} : { parameters: [ID] };
    for (const [method, operation] of Object.entries(operations)) {
      const checks = checksOf(operation, authenticate);
      api.on(method.toUpperCase(), [route], ...checks, operation.handle);
      item[method] = describe(tag, operation);
    }
    paths[path] = item;
    const methods = tag === 'Service' ? ['get', 'head'] : Object.keys(operations);
    api.all(route, notAllowed(methods.join(', ').toUpperCase()));
  };
}

/** What a body must pass before it is read. A body that no operation reads is limited, too. */
function checksOf(operation: Operation, authenticate: readonly MiddlewareHandler[]) {
  const { json, form, maxBytes = MAX_BODY_BYTES, advice } = operation;
  const checks = [limitBody(maxBytes, advice), ...authenticate];
  if (json === undefined && form === undefined) return checks;
  return [...checks, requireType(json ? JSON_TYPE : FORM_TYPE)];
}

export type AddEndpoint = ReturnType<typeof createEndpoints>;

const content = (type: string, schema: object) => ({ content: { [type]: { schema } } });

function describe(tag: Tag, { id, summary, description, parameters, ...about }: Operation) {
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
      ...problems(possible, tag === 'OAuth' ? JSON_TYPE : PROBLEM_TYPE),
    },
  };
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
