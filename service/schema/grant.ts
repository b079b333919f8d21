import { z } from 'zod';
import { MOST_REQUESTERS } from '../domain/redeem.ts';

const CONTROL = /\p{Cc}/u;

/** A text that may stand in a header, a log or a key. */
export const text = (max: number) =>
  z
    .string('must be a string')
    .min(1, 'must not be empty')
    .max(max, `must have at most ${max} characters`)
    .refine((value) => !CONTROL.test(value), 'must not hold a control character')
    .refine((value) => value.isWellFormed(), 'must be valid Unicode');

export const whole = (max: number, min = 1) =>
  z
    .number('must be a whole number')
    .int('must be a whole number')
    .min(min, `must be at least ${min}`)
    .max(max, `must be at most ${max}`);

/** Seconds; far beyond any client's maximum, so that times stay exact. */
export const MOST_SECONDS = 1_000_000_000;

/** Each is compared for each request. */
const MOST_ADDRESSES = 64;

/** The fields that a request for a token and a signed token share. Paths are held to their rules by the domain. */
export const grantFields = {
  path: z.string('must be a string').optional(),
  prefix: z.string('must be a string').optional(),
  site: text(253).optional(),
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
};
