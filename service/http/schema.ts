import { z } from 'zod';
import type { Fault } from '../domain/errors.ts';
import type { GrantRequest } from '../domain/issue.ts';

const CONTROL = /\p{Cc}/u;

const text = (max: number) =>
  z
    .string('must be a string')
    .min(1, 'must not be empty')
    .max(max, `must have at most ${max} characters`)
    .refine((value) => !CONTROL.test(value), 'must not hold a control character')
    .refine((value) => value.isWellFormed(), 'must be valid Unicode');

const whole = (max: number) =>
  z
    .number('must be a whole number')
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(max, `must be at most ${max}`);

/** Seconds; far beyond any client's maximum, so that times stay exact. */
const seconds = whole(1_000_000_000);

/** What `POST /tokens` takes for one token. Paths are held to their rules by the domain. */
export const grantRequest = z.strictObject({
  path: z.string('must be a string').optional(),
  prefix: z.string('must be a string').optional(),
  site: text(253).optional(),
  expires_in: seconds.optional(),
  subject: text(256).optional(),
  target: z.string('must be a string').optional(),
  filename: text(255)
    .refine((name) => !/[/\\]/.test(name), 'must not hold a path separator')
    .optional(),
  disposition: z.enum(['attachment', 'inline'], 'must be attachment or inline').optional(),
  limit_rate: whole(1_000_000_000_000).optional(),
}) satisfies z.ZodType<GrantRequest>;

export const prolongRequest = z.strictObject({ expires_in: seconds });

/** The faults of a body, each with the JSON pointer (RFC 6901) of its field below `at`. */
export function faultsOf(error: z.ZodError, at = ''): Fault[] {
  return error.issues.flatMap((issue) => {
    const pointer = at + issue.path.map((key) => `/${escapePointer(String(key))}`).join('');
    if (issue.code !== 'unrecognized_keys') return [{ pointer, detail: issue.message }];
    return issue.keys.map((key) => ({
      pointer: `${pointer}/${escapePointer(key)}`,
      detail: 'is not a known field',
    }));
  });
}

function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1').slice(0, 64);
}
