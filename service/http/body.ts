import type { Context } from 'hono';
import type { z } from 'zod';
import { Refused } from '../domain/errors.ts';
import { problem } from './api-problem.ts';
import { faultsOf } from './schema.ts';
import { parseJson } from './split-json.ts';

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
