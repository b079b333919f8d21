import { createMiddleware } from 'hono/factory';
import { findClient } from '../domain/client.ts';
import type { ApiDependencies, ApiEnv } from './dependencies.ts';
import { problem } from './problem.ts';

/** Lets clients in by their API key or JWT (RFC 6750, section 2.1), and no one else. */
export function authenticate({ apiKeys, clientOf }: ApiDependencies) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const secret = /^bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    const client =
      secret === undefined ? undefined : (findClient(apiKeys, secret) ?? (await clientOf(secret)));
    if (client === undefined) {
      c.header('WWW-Authenticate', 'Bearer realm="postern-api"');
      return problem(
        c,
        'invalid_client',
        'Send an API key, or a JWT of a trusted issuer, as Authorization: Bearer.',
      );
    }
    c.set('client', client);
    return next();
  });
}
