import { z } from 'zod';
import type { ClaimName } from '../domain/grant-fields.ts';
import { fieldSchemas, text } from '../schema/grant.ts';

/** Seconds since the epoch (RFC 7519, NumericDate), with or without a fraction. */
const date = z.number().min(0).max(1e11);

const registered = {
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  sub: text(256).optional(),
  iat: date,
  nbf: date.optional(),
  exp: date,
  jti: text(256),
};

/** The fields that a claim of the same name carries; `subject` is `sub`, a registered claim. */
const claimSchemas = fieldSchemas<ClaimName>(({ claim }) => claim === undefined);

/**
 * What a download token says that others sign. Strict: a claim that nobody knows may be a limit that
 * was misspelt, and would open more than was meant.
 */
export const foreignClaims = z.strictObject({
  ...registered,
  ...claimSchemas,
  /** Where `resume_for` outlives it: until when a new requester is admitted. */
  start_by: date.optional(),
});

/** And those of our own. */
export const ownClaims = foreignClaims.extend({
  client_id: z.string(),
  mount: z.string(),
  /** Only ever false: nothing of it is kept in the store. */
  revocable: z.literal(false).optional(),
});

export type ForeignClaims = z.infer<typeof foreignClaims>;
export type OwnClaims = z.infer<typeof ownClaims>;
