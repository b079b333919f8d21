import type { Context } from 'hono';
import { type Fault, MAX_FAULTS, Refused } from '../domain/errors.ts';
import type { GrantRequest } from '../domain/grant-fields.ts';
import { inPieces } from '../domain/in-pieces.ts';
import type { IssuedAnswer } from '../schema/answer.ts';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { contentType, decodeBody } from './body.ts';
import { faultsOf, grantRequest, MOST_AT_ONCE } from './schema.ts';
import { parseJson, type Split, splitJson } from './split-json.ts';
import { createTurns } from './turns.ts';

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
