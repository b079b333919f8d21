import type { Context } from 'hono';
import { Refused } from '../domain/errors.ts';
import { isTokenId } from '../domain/token.ts';
import type { ApiEnv } from './api-env.ts';

/** The token id in the path; what is not shaped like one names no grant. */
export function idOf(c: Context<ApiEnv, '/tokens/:id'>): string {
  const id = c.req.param('id');
  if (!isTokenId(id)) throw new NoSuchGrant();
  return id;
}

/** The same whether it never was, has ended, or is another client's. */
export class NoSuchGrant extends Refused {
  constructor() {
    super('not_found', 'There is no such token, or not any more.');
  }
}
