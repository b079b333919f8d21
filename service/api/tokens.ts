import type { Context } from 'hono';
import { type Fault, MAX_FAULTS, Refused } from '../domain/errors.ts';
import type { GrantRequest } from '../domain/grant-fields.ts';
import type { Cursor } from '../domain/store.ts';
import { isTokenId } from '../domain/token.ts';
import { createTurns, inPieces } from '../domain/turns.ts';
import { contentType, decodeBody, readShape } from './body.ts';
import type { ApiDependencies, ApiEnv } from './dependencies.ts';
import { parseJson, type Split, splitJson } from './json.ts';
import {
  faultsOf,
  grantRequest,
  type IssuedAnswer,
  MOST_AT_ONCE,
  type PageAnswer,
  prolongRequest,
} from './schema.ts';
import { stateOf, wholeStateOf } from './state.ts';

/** A longer body waits for its turn. A request for one token is hardly ever so long. */
const MAX_BYTES_AT_ONCE = 2048;

/** `POST /tokens`: one request, or an array of them; then all are issued or none. */
export function issueHandler({ issue, publicUrl }: ApiDependencies) {
  const inTurn = createTurns();

  async function answer(c: Context<ApiEnv>, body: ArrayBuffer): Promise<Response> {
    const { isArray, values } = splitJson(decodeBody(body), MOST_AT_ONCE);
    const issued = await issue(c.var.client, await parseAll(values, isArray));
    const answers = issued.map(
      ({ token, id, expiresIn, url }): IssuedAnswer => ({
        access_token: token,
        token_type: 'Bearer',
        expires_in: expiresIn,
        id,
        url: publicUrl + url,
      }),
    );
    return c.json(isArray ? answers : answers[0], 201);
  }

  return async (c: Context<ApiEnv>) => {
    const refused = contentType(c, 'application/json');
    if (refused !== undefined) return refused;
    // Before its turn, or a slow client would hold up the others.
    const body = await c.req.arrayBuffer();
    return body.byteLength > MAX_BYTES_AT_ONCE ? inTurn(() => answer(c, body)) : answer(c, body);
  };
}

async function parseAll(values: Split['values'], isArray: boolean) {
  const asked: Array<{ at: string; request: GrantRequest }> = [];
  const faults: Fault[] = [];
  for await (const piece of inPieces([...values.entries()])) {
    for (const [i, value] of piece) {
      const at = isArray ? `/${i}` : '';
      const { success, data, error } = grantRequest.safeParse(parseJson(value));
      if (success) asked.push({ at, request: data });
      else faults.push(...faultsOf(error, at));
    }
    if (faults.length >= MAX_FAULTS) break;
  }
  if (faults.length > 0) {
    throw new Refused('invalid_request', 'No token was issued: the request is not valid.', faults);
  }
  return asked;
}

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

/** `GET /tokens/{id}`: a grant's state, for the client that issued it. */
export function showHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const id = idOf(c);
    const grant = await store.find(id);
    if (grant === undefined || grant.client !== c.var.client.id) throw new NoSuchGrant();
    return c.json(await wholeStateOf(store, id, grant));
  };
}

/** `PATCH /tokens/{id}`: lets a live grant end `expires_in` seconds from now, later or earlier. */
export function prolongHandler({ prolong, store }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const refused = contentType(c, 'application/json');
    if (refused !== undefined) return refused;
    const { expires_in: expiresIn } = await readShape(c, prolongRequest);
    const id = idOf(c);
    const grant = await prolong(c.var.client, id, expiresIn);
    if (grant === undefined) throw new NoSuchGrant();
    return c.json(await wholeStateOf(store, id, grant));
  };
}

/** `DELETE /tokens/{id}`: ends a grant now. */
export function revokeGrantHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv, '/tokens/:id'>) => {
    const revoked = await store.revoke(idOf(c), c.var.client.id);
    if (!revoked) throw new NoSuchGrant();
    return c.body(null, 204);
  };
}

/** `DELETE /tokens?subject=`: ends all of a subject's grants that the client issued. */
export function revokeSubjectHandler({ store }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    return c.json({ revoked: await store.revokeSubject(c.var.client.id, subjectOf(c)) });
  };
}

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

/** The query's `subject`, whose grants are meant. */
export function subjectOf(c: Context): string {
  const subject = oneOf(c, 'subject');
  if (subject !== undefined && subject !== '') return subject;
  throw new Refused('invalid_request', 'The query must have exactly one subject.');
}

/** A query parameter that may be there once. */
export function oneOf(c: Context, name: string): string | undefined {
  const [value, ...more] = c.req.queries(name) ?? [];
  if (more.length === 0) return value;
  throw new Refused('invalid_request', `The query must have at most one ${name}.`);
}
