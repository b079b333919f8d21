import { z } from 'zod';
import type { Fault } from '../domain/errors.ts';
import { fieldSchemas } from '../schema/grant.ts';

/** Tokens that one request may ask for. */
export const MOST_AT_ONCE = 1000;

/** What `POST /tokens` takes for one token. */
export const grantRequest = z.strictObject(fieldSchemas());

/** What `PATCH /tokens/{id}` takes. */
export const prolongRequest = grantRequest.pick({ expires_in: true }).required();

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
