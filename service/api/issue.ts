import type { Context, Hono } from 'hono';
import { type FieldError, MAX_ERRORS, Refused } from '../domain/errors.ts';
import { Abandoned, type Issued, type Requests } from '../domain/issue.ts';
import { createQueue, inChunks } from '../domain/queue.ts';
import { note } from './audit.ts';
import {
  type ApiDependencies,
  type ApiEnv,
  createIsGone,
  decodeBody,
  limitBody,
  notAllowed,
  problem,
  readJson,
  requireJson,
} from './http.ts';
import { NOT_ISSUED, parseJson, splitArray } from './json.ts';
import { fieldErrorsOf, grantRequest, type IssuedAnswer, MAX_BATCH } from './schema.ts';

/** A thousand requests with a path of 300 bytes and the longest subject and filename take 0.9 MB. */
const MAX_BATCH_BYTES = 1024 * 1024;

/**
 * Tokens of the batches that are handled at the same time. If the store is slow, small batches do not wait
 * for each other. A larger batch runs alone, so that no decision waits behind several large commands of Redis.
 */
const MAX_TOGETHER = 200;

/** Maximum number of batches that are being read or wait. In memory, a batch takes about three times its length. */
const MAX_OPEN = 64;

/** `POST /tokens` issues one token. */
export function addIssueRoute(api: Hono<ApiEnv>, { issue, publicUrl }: ApiDependencies): void {
  api.post('/tokens', requireJson, async (c) => {
    const request = await readJson(c, grantRequest);
    const { subject = c.var.client.subject, path, prefix, site } = request;
    note(c, { action: 'token.issued', subject, path, prefix, site });
    const [issued] = await issue(c.var.client, [{ at: '', request }], createIsGone(c));
    if (issued === undefined) throw new Error('no token was issued');
    note(c, { token_id: issued.id, expires_in: issued.expiresIn });
    return c.json(answerOf(issued, publicUrl), 201);
  });
}

/** `POST /tokens/batch` issues all of its tokens, or none. It has its own limit for the body. */
export function addBatchRoute(api: Hono<ApiEnv>, { issue, publicUrl }: ApiDependencies): void {
  const parseInTurn = createQueue();
  const issueInTurn = createQueue(MAX_TOGETHER);
  // Hashing the PINs of a batch takes up to a minute. Other batches do not wait for it.
  const issuePinsInTurn = createQueue(MAX_TOGETHER);

  async function answer(c: Context<ApiEnv>, requests: Requests): Promise<Response> {
    const isGone = createIsGone(c);
    if (isGone()) throw new Abandoned();
    note(c, { action: 'token.issued', count: requests.length });
    const issued = await issue(c.var.client, requests, isGone);
    note(c, { token_ids: issued.map(({ id }) => id) });
    return c.json(
      issued.map((one) => answerOf(one, publicUrl)),
      201,
    );
  }

  async function issueBatch(c: Context<ApiEnv>): Promise<Response> {
    // Read the body before the batch gets its turn, so that a slow client does not delay others.
    const body = await c.req.arrayBuffer();
    const requests = await parseInTurn(() => parseAll(splitArray(decodeBody(body), MAX_BATCH)));
    const hasPins = requests.some(({ request }) => request.pin !== undefined);
    const inTurn = hasPins ? issuePinsInTurn : issueInTurn;
    return inTurn(() => answer(c, requests), requests.length);
  }

  let open = 0;
  api.post('/tokens/batch', limitBody(MAX_BATCH_BYTES), requireJson, async (c) => {
    if (open >= MAX_OPEN) {
      c.header('Retry-After', '5');
      return problem(c, 'unavailable', 'Too many batches are waiting. Send this one again later.');
    }
    open += 1;
    return issueBatch(c).finally(() => {
      open -= 1;
    });
  });
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

async function parseAll(elements: readonly string[]): Promise<Requests> {
  const requests: Array<Requests[number]> = [];
  const errors: FieldError[] = [];
  for await (const chunk of inChunks([...elements.entries()])) {
    for (const [i, element] of chunk) {
      const at = `/${i}`;
      const { success, data, error } = grantRequest.safeParse(parseJson(element));
      if (success) requests.push({ at, request: data });
      else errors.push(...fieldErrorsOf(error, at));
    }
    if (errors.length >= MAX_ERRORS) break;
  }
  if (errors.length > 0) throw new Refused('invalid_request', NOT_ISSUED, errors);
  return requests;
}
