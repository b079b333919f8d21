import type { Context } from 'hono';
import { Refused } from '../domain/errors.ts';
import type { ApiDependencies, ApiEnv } from './api-env.ts';

/** `DELETE /tokens?subject=`: ends all of a subject's grants that the client issued. */
export function revokeSubjectHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    const subjects = c.req.queries('subject') ?? [];
    const [subject] = subjects;
    if (subjects.length !== 1 || subject === undefined || subject === '') {
      throw new Refused('invalid_request', 'The query must have exactly one subject.');
    }
    return c.json({ revoked: await store.revokeSubject(c.var.client.id, subject) });
  };
}
