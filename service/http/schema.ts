import { z } from 'zod';
import type { Fault } from '../domain/errors.ts';
import type { GrantRequest } from '../domain/grant-request.ts';
import { MOST_REQUESTERS } from '../domain/redeem.ts';

const CONTROL = /\p{Cc}/u;

const text = (max: number) =>
  z
    .string('must be a string')
    .min(1, 'must not be empty')
    .max(max, `must have at most ${max} characters`)
    .refine((value) => !CONTROL.test(value), 'must not hold a control character')
    .refine((value) => value.isWellFormed(), 'must be valid Unicode');

const whole = (max: number, min = 1) =>
  z
    .number('must be a whole number')
    .int('must be a whole number')
    .min(min, `must be at least ${min}`)
    .max(max, `must be at most ${max}`);

/** Seconds; far beyond any client's maximum, so that times stay exact. */
const MOST_SECONDS = 1_000_000_000;
const seconds = whole(MOST_SECONDS);

/** Each is compared for each request. */
const MOST_ADDRESSES = 64;

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
  max_uses: whole(MOST_REQUESTERS).optional(),
  resume_for: whole(MOST_SECONDS, 0).optional(),
  bind: z.enum(['any', 'cookie'], 'must be any or cookie').optional(),
  ip: z
    .array(text(64), 'must be a list of addresses')
    .min(1, 'must not be empty: without ip, any address may use it')
    .max(MOST_ADDRESSES, `must have at most ${MOST_ADDRESSES} entries`)
    .optional(),
  disposition: z.enum(['attachment', 'inline'], 'must be attachment or inline').optional(),
  limit_rate: whole(1_000_000_000_000).optional(),
  cookie: z.boolean('must be true or false').optional(),
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
