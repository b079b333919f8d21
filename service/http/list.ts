import type { Context } from 'hono';
import { Refused } from '../domain/errors.ts';
import type { Cursor } from '../domain/store.ts';
import { isTokenId } from '../domain/token.ts';
import type { PageAnswer } from '../schema/answer.ts';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { stateOf } from './state.ts';
import { oneOf, subjectOf } from './subject.ts';

const USUAL = 100;
const MOST = 1000;

/** `GET /tokens?subject=`: a page of a subject's live grants, those that end first before the others. */
export function listHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    const subject = subjectOf(c);
    const limit = limitOf(oneOf(c, 'limit'));
    const after = cursorOf(oneOf(c, 'cursor'));
    const { entries, next } = await store.list(c.var.client.id, subject, limit, after);
    return c.json<PageAnswer>({
      tokens: entries.map(([id, grant]) => stateOf(id, grant)),
      next_cursor: next && `${next.end}.${next.id}`,
    });
  };
}

function limitOf(given: string | undefined): number {
  if (given === undefined) return USUAL;
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (limit >= 1 && limit <= MOST) return limit;
  throw new Refused('invalid_request', `limit must be a whole number from 1 to ${MOST}.`);
}

function cursorOf(given: string | undefined): Cursor | undefined {
  if (given === undefined) return undefined;
  const [, end, id = ''] = /^(\d{1,16})\.(.*)$/.exec(given) ?? [];
  if (isTokenId(id)) return { end: Number(end), id };
  throw new Refused('invalid_request', 'cursor must be the next_cursor of an answer.');
}
