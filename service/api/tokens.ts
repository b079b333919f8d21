import type { Context } from 'hono';
import { createQueue, inChunks } from '../domain/batches.ts';
import { type FieldError, MAX_ERRORS, Refused } from '../domain/errors.ts';
import type { GrantRequest } from '../domain/grant-fields.ts';
import type { Cursor } from '../domain/store.ts';
import { isTokenId } from '../domain/token.ts';
import { decodeBody, readJson } from './body.ts';
import type { ApiDependencies, ApiEnv } from './dependencies.ts';
import { parseJson, splitJson } from './json.ts';
import {
  fieldErrorsOf,
  grantRequest,
  type IssuedAnswer,
  MAX_BATCH,
  MAX_PAGE,
  type PageAnswer,
  prolongRequest,
  stateOf,
  wholeStateOf,
} from './schema.ts';

/** Longer bodies are handled one at a time. A request for one token is rarely longer. */
const MAX_CONCURRENT_BYTES = 2048;

/** `POST /tokens`: one request, or an array of requests. All tokens are issued or none. */
export function issueHandler({ issue, publicUrl }: ApiDependencies) {
  const enqueue = createQueue();

  async function answer(c: Context<ApiEnv>, body: ArrayBuffer): Promise<Response> {
    const { isArray, values } = splitJson(decodeBody(body), MAX_BATCH);
    const issued = await issue(c.var.client, await parseAll(values, isArray));
    const answers = issued.map(
      ({ token, id, expiresIn, url, cookieUrl }): IssuedAnswer => ({
        access_token: token,
        token_type: 'Bearer',
        expires_in: expiresIn,
        id,
        url: publicUrl + url,
        ...(cookieUrl && { cookie_url: publicUrl + cookieUrl }),
      }),
    );
    return c.json(isArray ? answers : answers[0], 201);
  }

  return async (c: Context<ApiEnv>) => {
    // Read before its turn, so that a slow client does not delay the others.
    const body = await c.req.arrayBuffer();
    return body.byteLength > MAX_CONCURRENT_BYTES
      ? enqueue(() => answer(c, body))
      : answer(c, body);
  };
}

async function parseAll(values: readonly string[], isArray: boolean) {
  const requests: Array<{ at: string; request: GrantRequest }> = [];
  const errors: FieldError[] = [];
  for await (const chunk of inChunks([...values.entries()])) {
    for (const [i, value] of chunk) {
      const at = isArray ? `/${i}` : '';
      const { success, data, error } = grantRequest.safeParse(parseJson(value));
      if (success) requests.push({ at, request: data });
      else errors.push(...fieldErrorsOf(error, at));
    }
    if (errors.length >= MAX_ERRORS) break;
  }
  if (errors.length > 0) {
    throw new Refused('invalid_request', 'No token was issued: the request is not valid.', errors);
  }
  return requests;
}

const DEFAULT_PAGE = 100;

/** `GET /tokens?subject=`: a page of a subject's live grants, ordered by their end. */
export function listHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    const subject = subjectOf(c);
    const limit = limitOf(queryValue(c, 'limit'));
    const after = cursorOf(queryValue(c, 'cursor'));
    const { entries, next } = await store.list(c.var.client.id, subject, limit, after);
    return c.json<PageAnswer>({
      tokens: entries.map(([id, grant]) => stateOf(id, grant)),
      next_cursor: next && `${next.end}.${next.id}`,
    });
  };
}

function limitOf(value: string | undefined): number {
  if (value === undefined) return DEFAULT_PAGE;
  const limit = /^\d{1,4}$/.test(value) ? Number(value) : 0;
  if (limit >= 1 && limit <= MAX_PAGE) return limit;
  throw new Refused('invalid_request', `limit must be a whole number from 1 to ${MAX_PAGE}.`);
}

function cursorOf(value: string | undefined): Cursor | undefined {
  if (value === undefined) return undefined;
  const [, end, id = ''] = /^(\d{1,16})\.(.*)$/.exec(value) ?? [];
  if (isTokenId(id)) return { end: Number(end), id };
  throw new Refused('invalid_request', 'cursor must be the next_cursor of a response.');
}

/** `GET /tokens/{id}`: a grant's state, for the client that issued it. */
export function showHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const id = idOf(c);
    const grant = await store.find(id);
    if (grant === undefined || grant.client !== c.var.client.id) throw noSuchToken();
    return c.json(await wholeStateOf(store, id, grant));
  };
}

/** `PATCH /tokens/{id}`: sets the end of a live grant to `expires_in` seconds from now. */
export function prolongHandler({ prolong, store }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const { expires_in: expiresIn } = await readJson(c, prolongRequest);
    const id = idOf(c);
    const grant = await prolong(c.var.client, id, expiresIn);
    if (grant === undefined) throw noSuchToken();
    return c.json(await wholeStateOf(store, id, grant));
  };
}

/** `DELETE /tokens/{id}`: ends a grant now. */
export function revokeGrantHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const revoked = await store.revoke(idOf(c), c.var.client.id);
    if (!revoked) throw noSuchToken();
    return c.body(null, 204);
  };
}

/** `DELETE /tokens?subject=`: ends all grants of a subject that the client issued. */
export function revokeSubjectHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    return c.json({ revoked: await store.revokeSubject(c.var.client.id, subjectOf(c)) });
  };
}

function idOf(c: Context<ApiEnv, '/tokens/:id'>): string {
  const id = c.req.param('id');
  if (!isTokenId(id)) throw noSuchToken();
  return id;
}

/** The same error whether the token never existed, has ended, or is another client's. */
function noSuchToken(): Refused {
  return new Refused('not_found', 'There is no such token, or it has ended.');
}

function subjectOf(c: Context): string {
  const subject = queryValue(c, 'subject');
  if (subject !== undefined && subject !== '') return subject;
  throw new Refused('invalid_request', 'The query must have exactly one subject.');
}

/** The value of a query parameter that may be present once. */
function queryValue(c: Context, name: string): string | undefined {
  const [value, ...more] = c.req.queries(name) ?? [];
  if (more.length === 0) return value;
  throw new Refused('invalid_request', `The query must have at most one ${name}.`);
}
