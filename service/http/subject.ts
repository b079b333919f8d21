import type { Context } from 'hono';
import { Refused } from '../domain/errors.ts';

/** The query's `subject`, whose grants are meant. */
export function subjectOf(c: Context): string {
  const subject = oneOf(c, 'subject');
  if (subject !== undefined && subject !== '') return subject;
  throw new Refused('invalid_request', 'The query must have exactly one subject.');
}

/** A query parameter that may be there once. */
export function oneOf(c: Context, name: string): string | undefined {
  const [value, ...more] = c.req.queries(name) ?? [];
  if (more.length === 0) return value;
  throw new Refused('invalid_request', `The query must have at most one ${name}.`);
}
