import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { z } from 'zod';
import { Refused } from '../domain/errors.ts';
import { parseJson } from './json.ts';
import { problem } from './problem.ts';
import { faultsOf } from './schema.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function decodeBody(bytes: ArrayBuffer): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new Refused('invalid_request', 'The body is not UTF-8.');
    throw error;
  }
}

async function readText(c: Context): Promise<string> {
  return decodeBody(await c.req.arrayBuffer());
}

/** A JSON body in the shape of a schema. */
export async function readShape<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const parsed = schema.safeParse(parseJson(await readText(c)));
  if (parsed.success) return parsed.data;
  throw new Refused('invalid_request', 'The request is not valid.', faultsOf(parsed.error));
}

export async function readForm(c: Context): Promise<URLSearchParams> {
  return new URLSearchParams(await readText(c));
}

/** The one parameter of that name. */
export function one(form: URLSearchParams, name: string): string {
  const [value, ...more] = form.getAll(name);
  if (more.length === 0 && value) return value;
  throw new Refused('invalid_request', `The form must have exactly one ${name}.`, [
    { pointer: `/${name}`, detail: 'must be there exactly once' },
  ]);
}

/** The one `token` of a form, as RFC 7662 and RFC 7009 have it; other parameters are ignored. */
export async function readToken(c: Context): Promise<string> {
  return one(await readForm(c), 'token');
}

/** Answers a body of another type with 415. */
export function contentType(c: Context, wanted: string): Response | undefined {
  const type = c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === wanted) return undefined;
  return problem(c, 'unsupported_media_type', `Send the body as ${wanted}.`);
}

/**
 * Answers a longer body with 413. Where its length is announced, Node reads no more than that, and
 * hono's bodyLimit is not asked: to find that there is a body it makes a Request and a stream of each,
 * a fifth of what issuing a token costs.
 */
export function limitBody(maxBytes: number): MiddlewareHandler {
  const tooLarge = (c: Context) => problem(c, 'content_too_large');
  const counted = bodyLimit({ maxSize: maxBytes, onError: tooLarge });

  return async function limitBody(c, next) {
    if (c.req.header('transfer-encoding') !== undefined) return counted(c, next);
    const length = Number(c.req.header('content-length') ?? 0);
    return length > maxBytes ? tooLarge(c) : next();
  };
}
