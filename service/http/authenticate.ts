import { createMiddleware } from 'hono/factory';
import { type ApiKey, findClient } from '../domain/api-key.ts';
import type { ApiEnv } from './api-env.ts';
import { problem } from './api-problem.ts';

/** Lets clients in by their API key (RFC 6750, section 2.1), and no one else. */
export function authenticate(keys: readonly ApiKey[]) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const secret = /^bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    const client = secret === undefined ? undefined : findClient(keys, secret);
    if (client === undefined) {
      c.header('WWW-Authenticate', 'Bearer realm="postern-api"');
      return problem(c, 'invalid_client', 'Send an API key as Authorization: Bearer <key>.');
    }
    c.set('client', client);
    return next();
  });
}
