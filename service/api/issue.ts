import { Abandoned, type Issued, NOT_ISSUED, type Requests } from '../token/issue.ts';
import { inPieces, type Place } from '../token/queue.ts';
import { type FieldError, MAX_ERRORS, Refused } from '../token/refused.ts';
import type { Turn } from '../token/store.ts';
import { note } from './audit.ts';
import { type Operation, ref } from './endpoint.ts';
import {
  type ApiDependencies,
  createIsGone,
  JSON_TYPE,
  json,
  parseJson,
  readJson,
  respond,
} from './http.ts';
import { splitArray } from './json.ts';
import { fieldErrorsOf, grantRequest, type IssuedAnswer, MAX_BATCH } from './schema.ts';
import { type InTurn, readBody } from './turns.ts';

/** A thousand requests with a path of 300 bytes and the longest subject and filename take 0.9 MB. */
const MAX_BATCH_BYTES = 1024 * 1024;

const batchOf = (name: Parameters<typeof ref>[0], description: string) => ({
  ...{ type: 'array', description, minItems: 1, maxItems: MAX_BATCH },
  items: ref(name),
});

/** `POST /tokens` issues one token. */
export function issueOne({ issue, publicUrl }: ApiDependencies): Operation {
  return {
    id: 'issueToken',
    summary: 'Issue a token',
    description: 'Issues a token for one file (`path`) or one folder (`prefix`).',
    json: ref('TokenRequest'),
    advice: ' Send an array of requests to /tokens/batch.',
    answer: [201, 'Issued.', ref('IssuedToken')],
    codes: ['insufficient_scope'],
    async handle(c) {
      const request = await readJson(c, grantRequest);
      const { subject = c.get('client').subject, path, prefix, site } = request;
      note(c, { action: 'token.issued', subject, path, prefix, site });
      const isGone = createIsGone(c);
      const [issued] = await issue(c.get('client'), [{ at: '', request }], { isGone });
      if (issued === undefined) throw new Error('no token was issued');
      note(c, { token_id: issued.id, expires_in: issued.expiresIn });
      return json(c, answerOf(issued, publicUrl), 201);
    },
  };
}

/** `POST /tokens/batch` issues all of its tokens, or none. */
export function issueBatch({ issue, publicUrl }: ApiDependencies, inTurn: InTurn): Operation {
  return {
    id: 'issueTokens',
    summary: 'Issue many tokens',
    description:
      'Issues all of the tokens or none, in the same order, in one round trip to the store.',
    json: batchOf('TokenRequest', 'One request for each token.'),
    maxBytes: MAX_BATCH_BYTES,
    answer: [201, 'Issued.', batchOf('IssuedToken', 'In the order of the requests.')],
    codes: ['insufficient_scope'],
    handle(c) {
      const issueAll = async (place: Place) => {
        const requests = await parseAll(await readBody(c, place), place.turn);
        const isGone = createIsGone(c);
        if (isGone()) throw new Abandoned();
        note(c, { action: 'token.issued', count: requests.length });
        const issued = await issue(c.get('client'), requests, { isGone, place });
        note(c, { token_ids: issued.map(({ id }) => id) });
        const body = await jsonOf(issued, publicUrl, place.turn);
        return respond(c, body, { 'Content-Type': JSON_TYPE }, 201);
      };
      return inTurn(c, 'batch', issueAll, 0);
    },
  };
}

/** The response, written in pieces. */
async function jsonOf(issued: readonly Issued[], publicUrl: string, turn: Turn) {
  const parts: Buffer[] = [];
  const write = (piece: readonly Issued[]) => {
    const text = piece.map((one) => JSON.stringify(answerOf(one, publicUrl))).join();
    parts.push(Buffer.from(`${parts.length === 0 ? '[' : ','}${text}`));
  };
  await inPieces(issued, turn, write, ({ url, cookieUrl = '' }) => url.length + cookieUrl.length);
  return Buffer.concat([...parts, Buffer.from(']')]);
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

async function parseAll(body: Uint8Array, turn: Turn): Promise<Requests> {
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
      if (errors.length >= MAX_ERRORS) throw new Refused('invalid_request', NOT_ISSUED, errors);
    }
  };
  await inPieces(splitArray(body, MAX_BATCH), turn, parse, ({ length }) => length);
  if (errors.length > 0) throw new Refused('invalid_request', NOT_ISSUED, errors);
  return requests;
}
