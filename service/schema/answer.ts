import { z } from 'zod';

/** What the API answers with. Only described: an answer is what the handlers make, and a test holds it to this. */

const seconds = z.number().int().meta({ description: 'Seconds since 1970.' });

export const issued = z.strictObject({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.number().int(),
  id: z.string(),
  url: z.string(),
});

const requester = z.strictObject({
  address: z.string().optional(),
  began: seconds,
  resumable_until: seconds,
});

const kept = {
  client_id: z.string(),
  path: z.string().optional(),
  prefix: z.string().optional(),
  site: z.string().optional(),
  target: z.string().optional(),
  max_uses: z.number().int().optional(),
  uses_left: z.number().int().optional(),
  resume_for: z.number().int().optional(),
  bind: z.enum(['any', 'cookie']).optional(),
  requesters: z.array(requester).optional(),
  resumable_until: seconds.optional(),
  ip: z.array(z.string()).optional(),
  filename: z.string().optional(),
  disposition: z.enum(['attachment', 'inline']).optional(),
  limit_rate: z.number().int().optional(),
  cookie: z.boolean().optional(),
  format: z.literal('jwt').optional(),
  iat: seconds,
  exp: seconds,
};

export const state = z.strictObject({ id: z.string(), subject: z.string().optional(), ...kept });

export const page = z.strictObject({
  tokens: z.array(state),
  next_cursor: z.string().optional(),
});

export const revoked = z.strictObject({ revoked: z.number().int() });

/** RFC 7662, section 2.2. */
export const introspection = z.union([
  z.strictObject({ active: z.literal(false) }),
  z.strictObject({
    active: z.literal(true),
    token_type: z.literal('Bearer'),
    jti: z.string(),
    sub: z.string().optional(),
    ...kept,
  }),
]);

export const health = z.strictObject({ status: z.literal('ok'), warning: z.string().optional() });

/** RFC 9457. */
export const problem = z.strictObject({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.number().int(),
  code: z.string().meta({ description: 'Stable: test for it, never for the texts.' }),
  detail: z.string().optional(),
  errors: z
    .array(z.strictObject({ pointer: z.string(), detail: z.string() }))
    .optional()
    .meta({ description: 'Each field at fault, by its JSON pointer.' }),
});
