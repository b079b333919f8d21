import type { Hono } from 'hono';
import { Abandoned, type Issued, NOT_ISSUED, type Requests } from '../token/issue.ts';
import { inPieces } from '../token/queue.ts';
import { type FieldError, MAX_ERRORS, Refused } from '../token/refused.ts';
import type { Turn } from '../token/store.ts';
import { note } from './audit.ts';
import {
  type ApiDependencies,
  type ApiEnv,
  createIsGone,
  decodeBody,
  JSON_TYPE,
  limitBody,
  notAllowed,
  readJson,
  requireJson,
} from './http.ts';
import { parseJson, splitArray } from './json.ts';
import { fieldErrorsOf, grantRequest, type IssuedAnswer, MAX_BATCH } from './schema.ts';
import { jsonArray, type Turns } from './turns.ts';

/** A thousand requests with a path of 300 bytes and the longest subject and filename take 0.9 MB. */
const MAX_BATCH_BYTES = 1024 * 1024;

/** `POST /tokens` issues one token. */
export function addIssueRoute(
  api: Hono<ApiEnv>,
  { issue, publicUrl }: ApiDependencies,
  maxBytes: number,
): void {
  const limit = limitBody(maxBytes, ' Send an array of requests to /tokens/batch.');
  api.post('/tokens', limit, requireJson, async (c) => {
    const request = await readJson(c, grantRequest);
    const { subject = c.var.client.subject, path, prefix, site } = request;
    note(c, { action: 'token.issued', subject, path, prefix, site });
    const [issued] = await issue(c.var.client, [{ at: '', request }], {
      isGone: createIsGone(c),
    });
    if (issued === undefined) throw new Error('no token was issued');
    note(c, { token_id: issued.id, expires_in: issued.expiresIn });
    return c.json(answerOf(issued, publicUrl), 201);
  });
}

/** `POST /tokens/batch` issues all of its tokens, or none. It has its own limit for the body. */
export function addBatchRoute(
  api: Hono<ApiEnv>,
  { issue, publicUrl }: ApiDependencies,
  { withBody }: Turns,
): void {
  api.post('/tokens/batch', limitBody(MAX_BATCH_BYTES), requireJson, (c) =>
    withBody(c, 'batch', async (place, body) => {
      const requests = await parseAll(body, place.turn);
      const isGone = createIsGone(c);
      if (isGone()) throw new Abandoned();
      note(c, { action: 'token.issued', count: requests.length });
      const issued = await issue(c.var.client, requests, { isGone, place });
      note(c, { token_ids: issued.map(({ id }) => id) });
      const length = ({ url, cookieUrl = '' }: Issued) => url.length + cookieUrl.length;
      const answer = await jsonArray(issued, place.turn, length, (one) => answerOf(one, publicUrl));
      return c.body(answer, 201, { 'Content-Type': JSON_TYPE });
    }),
  );
  api.all('/tokens/batch', notAllowed('POST'));
}

function answerOf(
  { token, id, expiresIn, url, cookieUrl }: Issued,
  publicUrl: string,
): IssuedAnswer {
  return {
    access_token: token,
    token_type: 'Bearer',
    expires_in: expiresIn,
    id,
    url: publicUrl + url,
    ...(cookieUrl && { cookie_url: publicUrl + cookieUrl }),
  };
}

async function parseAll(body: Uint8Array, turn: Turn): Promise<Requests> {
  const requests: Array<Requests[number]> = [];
  const errors: FieldError[] = [];
  let count = 0;
  for await (const piece of inPieces(splitArray(body, MAX_BATCH), turn, ({ length }) => length)) {
    for (const element of piece) {
      const at = `/${count}`;
      count += 1;
      const { success, data, error } = grantRequest.safeParse(parseJson(decodeBody(element)));
      if (success) requests.push({ at, request: data, bytes: element.length });
      else errors.push(...fieldErrorsOf(error, at));
      if (errors.length >= MAX_ERRORS) throw new Refused('invalid_request', NOT_ISSUED, errors);
    }
  }
  if (errors.length > 0) throw new Refused('invalid_request', NOT_ISSUED, errors);
  return requests;
}
