import type { Context, Hono } from 'hono';
import { nextTurn, type Place } from '../token/queue.ts';
import { Refused } from '../token/refused.ts';
import type { Cursor, Entry, Selection, Store } from '../token/store.ts';
import { isOpaque, isToken, isTokenId, jwtId, tokenId } from '../token/token.ts';
import { grantFields, note } from './audit.ts';
import {
  type ApiDependencies,
  type ApiEnv,
  formValue,
  JSON_TYPE,
  notAllowed,
  readForm,
  readJson,
  requireForm,
  requireJson,
} from './http.ts';
import {
  type IntrospectionAnswer,
  MAX_PAGE,
  type PageAnswer,
  prolongRequest,
  type State,
  stateOf,
  wholeStateOf,
} from './schema.ts';
import type { InTurn, Turns } from './turns.ts';

/** Lists, shows, prolongs and revokes tokens. */
export function addTokenRoutes(
  api: Hono<ApiEnv>,
  { prolong, revoke, store }: ApiDependencies,
  { inTurn }: Turns,
): void {
  // A page of a client's live grants, ordered by their end.
  api.get('/tokens', (c) => {
    const query = queryOf(c, 'subject', 'path', 'client', 'limit', 'cursor');
    const { subject, path, client: owner } = query;
    const limit = limitOf(query.limit);
    const after = cursorOf(query.cursor);
    note(c, { action: 'token.listed', subject, path, owner });
    const client = ownerOf(c, owner);
    const wanted = { selection: { subject, covers: path }, limit, after };
    return inTurn(c, 'list', async (place) => {
      const { body, count } = await listInPieces(store, client, wanted, place);
      note(c, { count });
      return c.body(body, 200, { 'Content-Type': JSON_TYPE });
    });
  });
  // Ends all grants of a client, or those of one of its subjects.
  api.delete('/tokens', (c) => {
    const { subject, client: owner } = queryOf(c, 'subject', 'client');
    if (subject === undefined && owner === undefined) {
      throw new Refused('invalid_request', 'The query must have a subject, a client, or both.');
    }
    const by = subject === undefined ? 'client' : 'subject';
    note(c, { action: 'token.revoked', by, subject, owner });
    const client = ownerOf(c, owner);
    return inTurn(c, 'revoke', async ({ turn, keep }) => {
      await keep();
      const revoked = await (subject === undefined
        ? store.revokeClient(client, turn)
        : store.revokeSubject(client, subject, turn));
      note(c, { count: revoked });
      return c.json({ revoked });
    });
  });
  api.all('/tokens', notAllowed('GET, POST, DELETE'));

  api.get('/tokens/:id', async (c) => {
    const id = checkedId(c.req.param('id'));
    note(c, { action: 'token.shown', token_id: id });
    const grant = await store.find(id);
    if (grant?.client !== c.var.client.id) throw noSuchToken();
    note(c, grantFields(grant));
    return c.json(await stateInTurn(inTurn, c, store, [id, grant]));
  });
  // Sets the end of a live grant to `expires_in` seconds from now.
  api.patch('/tokens/:id', requireJson, async (c) => {
    const { expires_in: expiresIn } = await readJson(c, prolongRequest);
    const id = checkedId(c.req.param('id'));
    note(c, { action: 'token.prolonged', token_id: id, expires_in: expiresIn });
    return inTurn(c, 'prolong', async ({ turn, keep }) => {
      await keep();
      const grant = await prolong(c.var.client, id, expiresIn);
      if (grant === undefined) throw noSuchToken();
      note(c, grantFields(grant));
      return c.json(await wholeStateOf(store, id, grant, turn));
    });
  });
  api.delete('/tokens/:id', async (c) => {
    const id = checkedId(c.req.param('id'));
    note(c, { action: 'token.revoked', by: 'id', token_id: id });
    if (!(await revoke.id(c.var.client, id))) throw noSuchToken();
    return c.body(null, 204);
  });
  api.all('/tokens/:id', notAllowed('GET, PATCH, DELETE'));
}

/** Grants that the store reads in one piece. */
const PIECE = 50;

/**
 * A page that has more bytes ends before its limit. A thousand tokens with short texts take a quarter of a megabyte,
 * and with the longest ones ten.
 */
const MAX_PAGE_BYTES = 1024 * 1024;

interface Wanted {
  readonly selection: Selection;
  readonly limit: number;
  readonly after: Cursor | undefined;
}

/** A page as JSON, from several small pages of the store. Ended tokens count, too: an index may have many of them. */
async function listInPieces(
  store: Store,
  client: string,
  { selection, limit, after }: Wanted,
  { alone }: Place,
): Promise<{ readonly body: Uint8Array<ArrayBuffer>; readonly count: number }> {
  const pieces: Buffer[] = [];
  let [left, count, bytes, next] = [limit, 0, 0, after];
  do {
    const [most, after] = [Math.min(PIECE, left), next];
    left -= most;
    // Alone: the replies of a slow store for many lists would arrive together.
    const page = await alone(() => store.list(client, selection, most, after));
    next = page.next;
    if (page.entries.length === 0) continue;
    const tokens: PageAnswer['tokens'] = page.entries.map(([id, grant]) => stateOf(id, grant));
    const text = JSON.stringify(tokens).slice(1, -1);
    const piece = Buffer.from(count === 0 ? text : `,${text}`);
    pieces.push(piece);
    bytes += piece.length;
    count += tokens.length;
  } while (next !== undefined && left > 0 && bytes < MAX_PAGE_BYTES);
  const end = next === undefined ? ']}' : `],"next_cursor":"${next.end}.${next.id}"}`;
  const body = Buffer.concat([Buffer.from('{"tokens":['), ...pieces, Buffer.from(end)]);
  return { body, count };
}

/** Alone if there may be many requesters: the replies of a slow store for many tokens would arrive together. */
async function stateInTurn(
  inTurn: InTurn,
  c: Context<ApiEnv>,
  store: Store,
  [id, grant]: Entry,
): Promise<State> {
  const read = () => wholeStateOf(store, id, grant, nextTurn);
  return grant.uses === undefined ? read() : inTurn(c, 'show', ({ alone }) => alone(read));
}

function checkedId(id: string): string {
  if (!isTokenId(id)) throw noSuchToken();
  return id;
}

/** The same error whether the token never existed, has ended, or is another client's. */
function noSuchToken(): Refused {
  return new Refused('not_found', 'There is no such token, or it has ended.');
}

/** The endpoints of OAuth 2.0. */
export function addOAuthRoutes(
  api: Hono<ApiEnv>,
  { lookUp, revoke, store }: ApiDependencies,
  { inTurn }: Turns,
): void {
  // RFC 7662: a token's state; other clients' tokens are inactive.
  api.post('/introspect', requireForm, async (c) => {
    const token = formValue(await readForm(c), 'token');
    note(c, { action: 'token.introspected', token_id: opaqueId(token) });
    const { id, grant } = isToken(token) ? await lookUp(token) : {};
    note(c, { token_id: id, active: false });
    // The gate denies every request with a token whose max_bytes were sent.
    if (id === undefined || grant?.client !== c.var.client.id || grant.exhausted) {
      return c.json<IntrospectionAnswer>({ active: false });
    }
    note(c, { active: true, ...grantFields(grant) });
    const { subject, id: jti, ...state } = await stateInTurn(inTurn, c, store, [id, grant]);
    const active = { active: true, token_type: 'Bearer', jti, sub: subject, ...state } as const;
    return c.json<IntrospectionAnswer>(active);
  });
  api.all('/introspect', notAllowed('POST'));

  // RFC 7009: 200 whether or not the token exists. `iss` and `jti` revoke another issuer's token.
  api.post('/revoke', requireForm, async (c) => {
    const form = await readForm(c);
    const { client } = c.var;
    if (form.has('jti') && !form.has('token')) {
      const [issuer, jti] = [formValue(form, 'iss'), formValue(form, 'jti')];
      note(c, { action: 'token.revoked', by: 'jti', token_id: jwtId(issuer, jti) });
      await revoke.jti(client, issuer, jti);
    } else {
      const token = formValue(form, 'token');
      note(c, { action: 'token.revoked', by: 'token', token_id: opaqueId(token) });
      const { id, revoked } = isToken(token) ? await revoke.token(client, token) : NOT_REVOKED;
      note(c, { token_id: id, count: Number(revoked) });
    }
    return c.body(null, 200);
  });
  api.all('/revoke', notAllowed('POST'));
}

const NOT_REVOKED = { id: undefined, revoked: false };

/** Undefined for a JWT: its ID is known only after its verification. */
function opaqueId(token: string): string | undefined {
  return isOpaque(token) ? tokenId(token) : undefined;
}

const DEFAULT_PAGE = 100;

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

/** The client whose tokens a request selects: the client itself, unless it names another. */
function ownerOf(c: Context<ApiEnv>, owner: string | undefined): string {
  const { id, admin } = c.var.client;
  if (owner === undefined || owner === id || admin) return owner ?? id;
  throw new Refused(
    'insufficient_scope',
    'Only a client with admin: true may name another client.',
  );
}

/**
 * The values of query parameters, each at most once. An unknown one may be a misspelt limit, and ignoring
 * it would list or revoke too much.
 */
function queryOf<N extends string>(c: Context, ...names: N[]): { readonly [K in N]?: string } {
  const values = Object.entries(c.req.queries());
  const isKnown = ([name, [value, ...more]]: (typeof values)[number]) =>
    names.some((known) => known === name) && value !== '' && more.length === 0;
  if (values.every(isKnown)) return c.req.query() as { [K in N]?: string };
  const detail = `The query can have ${names.join(', ')}, each at most once and with a value.`;
  throw new Refused('invalid_request', detail);
}
