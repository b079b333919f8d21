import type { Context } from 'hono';
import { type Issue, type Issued, NOT_ISSUED, type Requests } from '../issue/issue.ts';
import { inPieces } from '../pieces.ts';
import { type Client, ownerOf } from '../token/client.ts';
import type { Grant } from '../token/grant.ts';
import { type FieldError, MAX_ERRORS, RequestError } from '../token/request-error.ts';
import type { Revoke } from '../token/revoke.ts';
import type { StoreReads } from '../token/store.ts';
import { isTokenId } from '../token/token.ts';
import { type ApiEnv, grantFields, note } from './audit.ts';
import { parseJson, readJson, splitArray } from './body.ts';
import { type AddEndpoint, type Operation, ref } from './endpoint.ts';
import { listOperation, queryValues, SELECTED } from './list.ts';
import { JSON_TYPE, json, respond } from './responses.ts';
import {
  fieldErrorsOf,
  grantRequest,
  type IssuedAnswer,
  MAX_BATCH,
  prolongRequest,
  wholeStateOf,
} from './schema.ts';

export interface TokensDependencies {
  readonly issue: Issue;
  readonly find: (client: Client, id: string) => Promise<Grant | undefined>;
  /** @param expiresIn seconds from now */
  readonly prolong: (client: Client, id: string, expiresIn: number) => Promise<Grant | undefined>;
  readonly revoke: Revoke;
  readonly store: StoreReads;
  /** Origin of each `url`; empty: `url` is a path. */
  readonly publicUrl: string;
}

/** Adds the endpoints that list, show, prolong and revoke tokens, and the one that issues one. */
export function addTokens(endpoint: AddEndpoint, deps: TokensDependencies): void {
  const { find, prolong, revoke, store } = deps;
  endpoint('Tokens', '/tokens', {
    get: listOperation(store),
    post: issueOne(deps),
    delete: {
      id: 'revokeTokens',
      summary: 'Revoke the tokens of a subject or a client',
      description:
        'Revokes all tokens that were issued before the request, and with `subject` those that issuers of the client ' +
        'signed. At least one of the parameters is required.',
      parameters: SELECTED,
      answer: [200, 'Number of revoked tokens.', ref('Revoked')],
      codes: ['invalid_request', 'insufficient_scope'],
      isHeavy: true,
      async handle(c) {
        const { subject, client: owner } = queryValues(c, SELECTED);
        if (subject === undefined && owner === undefined) {
          throw new RequestError(
            'invalid_request',
            'The query must have a subject, a client, or both.',
          );
        }
        const by = subject === undefined ? 'client' : 'subject';
        note(c, { action: 'token.revoked', by, subject, owner });
        const client = ownerOf(c.get('client'), owner);
        const { revoked, signedBefore } = await revoke.all(client, subject);
        note(c, { count: revoked, signed_before: signedBefore });
        return json(c, { revoked, signed_before: signedBefore });
      },
    },
  });
  // This route comes before the paths with an ID.
  endpoint('Tokens', '/tokens/batch', { post: issueBatch(deps) });
  endpoint('Tokens', '/tokens/{id}', {
    get: {
      id: 'showToken',
      summary: 'Show a token',
      description: 'Shows the state of a live token that this client issued.',
      answer: [200, 'The state.', ref('Token')],
      codes: ['not_found'],
      async handle(c) {
        const id = idOf(c);
        note(c, { action: 'token.shown', token_id: id });
        return show(c, id, await find(c.get('client'), id));
      },
    },
    patch: {
      id: 'prolongToken',
      summary: 'Change when a token ends',
      description: 'The new end is `expires_in` seconds from now: later or earlier.',
      json: ref('ProlongRequest'),
      answer: [200, 'The new state.', ref('Token')],
      codes: ['insufficient_scope', 'not_found'],
      async handle(c) {
        const { expires_in: expiresIn } = await readJson(c, prolongRequest);
        const id = idOf(c);
        note(c, { action: 'token.prolonged', token_id: id, expires_in: expiresIn });
        return show(c, id, await prolong(c.get('client'), id, expiresIn));
      },
    },
    delete: {
      id: 'revokeToken',
      summary: 'Revoke a token',
      description: 'Revokes a live token that this client issued.',
      answer: [204, 'Revoked.'],
      codes: ['not_found'],
      async handle(c) {
        const id = idOf(c);
        note(c, { action: 'token.revoked', by: 'id', token_id: id });
        if (!(await revoke.id(c.get('client'), id))) throw noSuchToken();
        return respond(c, null, {}, 204);
      },
    },
  });

  async function show(c: Context<ApiEnv>, id: string, grant: Grant | undefined) {
    if (grant === undefined) throw noSuchToken();
    note(c, grantFields(grant));
    return json(c, await wholeStateOf(store, id, grant));
  }
}

function idOf(c: Context<ApiEnv>): string {
  const id = c.req.param('id') ?? '';
  if (!isTokenId(id)) throw noSuchToken();
  return id;
}

/** The same error whether the token never existed, has ended, or is another client's. */
function noSuchToken(): RequestError {
  return new RequestError('not_found', 'There is no such token, or it has ended.');
}

/** A hundred requests with a path of 300 bytes and the longest subject and filename take 90 KB. */
const MAX_BATCH_BYTES = 128 * 1024;

const batchOf = (name: Parameters<typeof ref>[0], description: string) => ({
  ...{ type: 'array', description, minItems: 1, maxItems: MAX_BATCH },
  items: ref(name),
});

/** issue/fields.ts checks types and bounds, issue/rules.ts the mounts and the limits of the client. */
function issueOne({ issue, publicUrl }: TokensDependencies): Operation {
  return {
    id: 'issueToken',
    summary: 'Issue a token',
    description: 'Issues a token for one file (`path`) or one folder (`prefix`).',
    json: ref('TokenRequest'),
    advice: ' Send an array of requests to /tokens/batch.',
    answer: [201, 'Issued.', ref('IssuedToken')],
    headers: { Location: 'Where the token can be shown, unless it has no record.' },
    codes: ['insufficient_scope'],
    async handle(c) {
      const request = await readJson(c, grantRequest);
      const { subject = c.get('client').subject, path, prefix, site } = request;
      note(c, { action: 'token.issued', subject, path, prefix, site });
      const [issued] = await issue(c.get('client'), [{ at: '', request }]);
      if (issued === undefined) throw new Error('no token was issued');
      note(c, { token_id: issued.id, expires_in: issued.expiresIn });
      // A token without a record cannot be shown.
      const location = request.revocable !== false && { Location: `/tokens/${issued.id}` };
      const body = JSON.stringify(answerOf(issued, publicUrl));
      return respond(c, body, { 'Content-Type': JSON_TYPE, ...location }, 201);
    },
  };
}

function issueBatch({ issue, publicUrl }: TokensDependencies): Operation {
  return {
    id: 'issueTokens',
    summary: 'Issue many tokens',
    description: 'Returns all of the tokens, in the same order, or none.',
    json: batchOf('TokenRequest', 'One request for each token.'),
    maxBytes: MAX_BATCH_BYTES,
    answer: [201, 'Issued.', batchOf('IssuedToken', 'In the order of the requests.')],
    codes: ['insufficient_scope'],
    isHeavy: true,
    async handle(c) {
      const requests = await parseAll(new Uint8Array(await c.req.arrayBuffer()));
      note(c, { action: 'token.issued', count: requests.length });
      const issued = await issue(c.get('client'), requests);
      note(c, { token_ids: issued.map(({ id }) => id) });
      const answers = issued.map((one) => answerOf(one, publicUrl));
      return json(c, answers, 201);
    },
  };
}

function answerOf(
  { token, id, expiresIn, url, cookieUrl, warning }: Issued,
  publicUrl: string,
): IssuedAnswer {
  return {
    access_token: token,
    token_type: 'Bearer',
    expires_in: expiresIn,
    id,
    url: publicUrl + url,
    ...(cookieUrl && { cookie_url: publicUrl + cookieUrl }),
    ...(warning && { warning }),
  };
}

async function parseAll(body: Uint8Array): Promise<Requests> {
  const requests: Array<Requests[number]> = [];
  const errors: FieldError[] = [];
  let count = 0;
  const parse = (piece: readonly Uint8Array[]) => {
    for (const element of piece) {
      const at = `/${count}`;
      count += 1;
      const { success, data, error } = grantRequest.safeParse(parseJson(element));
      if (success) requests.push({ at, request: data, bytes: element.length });
      else errors.push(...fieldErrorsOf(error, at));
      if (errors.length >= MAX_ERRORS)
        throw new RequestError('invalid_request', NOT_ISSUED, errors);
    }
  };
  await inPieces(splitArray(body, MAX_BATCH), parse, ({ length }) => length);
  if (errors.length > 0) throw new RequestError('invalid_request', NOT_ISSUED, errors);
  return requests;
}
