import type { Context } from 'hono';
import { nextTurn } from '../pieces.ts';
import { ownerOf } from '../token/client.ts';
import { GRANT_FIELDS } from '../token/grant-fields.ts';
import { RequestError } from '../token/request-error.ts';
import type { Cursor, StoreReads } from '../token/store.ts';
import { isTokenId } from '../token/token.ts';
import { note } from './audit.ts';
import { type Operation, ref } from './endpoint.ts';
import { JSON_TYPE, respond } from './responses.ts';
import { MAX_PAGE, type PageAnswer, stateOf } from './schema.ts';

const parameter = <N extends string>(name: N, description: string, schema: object) => ({
  ...{ name, in: 'query', description, schema },
});

const textSchema = (example: string) => ({
  ...{ type: 'string', minLength: 1, examples: [example] },
});

const { maxLength } = GRANT_FIELDS.subject;
const OWNER = 'The client that issued the tokens. Only `admin: true` allows another client.';

/** The parameters that select tokens, for a list or a revocation. */
export const SELECTED = [
  parameter('subject', 'The subject of the tokens.', { ...textSchema('user-42'), maxLength }),
  parameter('client', OWNER, textSchema('web')),
];

const PARAMETERS = [
  ...SELECTED,
  parameter(
    'path',
    'Exactly the `path` or `prefix` of the tokens.',
    textSchema(GRANT_FIELDS.path.example),
  ),
  parameter('limit', 'Tokens in a page.', {
    ...{ type: 'integer', minimum: 1, maximum: MAX_PAGE, default: MAX_PAGE },
  }),
  parameter('cursor', '`next_cursor` of the previous page.', { type: 'string' }),
];

export function listOperation(store: StoreReads): Operation {
  return {
    id: 'listTokens',
    summary: 'List tokens',
    description:
      'Lists live tokens of a client in pages, ordered by their end. Without parameters: those of your own client.',
    parameters: PARAMETERS,
    answer: [200, 'A page.', ref('TokenPage')],
    headers: { Link: 'The next page, with rel="next".' },
    codes: ['invalid_request', 'insufficient_scope'],
    isHeavy: true,
    async handle(c) {
      const query = queryValues(c, PARAMETERS);
      const { subject, path, client: owner } = query;
      const limit = limitOf(query.limit);
      const cursor = cursorOf(query.cursor);
      note(c, { action: 'token.listed', subject, path, owner });
      const client = ownerOf(c.get('client'), owner);
      const selection = { subject, covers: path };
      const read: Read = (max, after) => store.list(client, selection, max, after);
      const { body, count, next } = await listInPieces(read, limit, cursor);
      note(c, { count });
      const again = new URLSearchParams({ ...query, ...(next && { cursor: next }) });
      // The form of this header is in RFC 8288.
      const link = next && { Link: `</tokens?${again}>; rel="next"` };
      return respond(c, body, { 'Content-Type': JSON_TYPE, ...link });
    },
  };
}

function limitOf(value: string | undefined): number {
  if (value === undefined) return MAX_PAGE;
  const limit = /^\d{1,3}$/.test(value) ? Number(value) : 0;
  if (limit >= 1 && limit <= MAX_PAGE) return limit;
  throw new RequestError('invalid_request', `limit must be a whole number from 1 to ${MAX_PAGE}.`);
}

function cursorOf(value: string | undefined): Cursor | undefined {
  if (value === undefined) return undefined;
  const [, end, id = ''] = /^(\d{1,16})\.(.*)$/.exec(value) ?? [];
  if (isTokenId(id)) return { end: Number(end), id };
  throw new RequestError('invalid_request', 'cursor must be the next_cursor of a response.');
}

/** Grants that the store reads in one piece. With the longest texts, they take 250 KB. */
const PIECE = 25;

type Read = (max: number, after: Cursor | undefined) => ReturnType<StoreReads['list']>;

/** A page as JSON, from several small pages of the store. Ended tokens count, too: an index may have many of them. */
async function listInPieces(read: Read, limit: number, after: Cursor | undefined) {
  const pieces: string[] = [];
  let [left, count, next] = [limit, 0, after];
  do {
    await nextTurn();
    const max = Math.min(PIECE, left);
    left -= max;
    const page = await read(max, next);
    next = page.next;
    if (page.entries.length === 0) continue;
    const tokens: PageAnswer['tokens'] = page.entries.map(([id, grant]) => stateOf(id, grant));
    pieces.push(JSON.stringify(tokens).slice(1, -1));
    count += tokens.length;
  } while (next !== undefined && left > 0);
  const cursor = next && `${next.end}.${next.id}`;
  const end = cursor === undefined ? ']}' : `],"next_cursor":"${cursor}"}`;
  return { body: `{"tokens":[${pieces.join()}${end}`, count, next: cursor };
}

/** The values of query parameters, each at most once. Ignoring an unknown one could list or revoke too much. */
export function queryValues<N extends string>(
  c: Context,
  parameters: ReadonlyArray<{ readonly name: N }>,
): { readonly [K in N]?: string } {
  const names = parameters.map(({ name }) => name);
  const values = Object.entries(c.req.queries());
  const isKnown = ([name, [value, ...more]]: (typeof values)[number]) =>
    names.some((known) => known === name) && value !== '' && more.length === 0;
  if (values.every(isKnown)) return c.req.query() as { [K in N]?: string };
  const detail = `The query can have ${names.join(', ')}, each at most once and with a value.`;
  throw new RequestError('invalid_request', detail);
}
