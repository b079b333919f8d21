import type { Context } from 'hono';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { subjectOf } from './subject.ts';

/** `DELETE /tokens?subject=`: ends all of a subject's grants that the client issued. */
export function revokeSubjectHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    return c.json({ revoked: await store.revokeSubject(c.var.client.id, subjectOf(c)) });
  };
}
