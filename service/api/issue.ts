import { inPieces } from '../pieces.ts';
import { type Issued, NOT_ISSUED, type Requests } from '../token/issue.ts';
import { type FieldError, MAX_ERRORS, Refused } from '../token/refused.ts';
import { note } from './audit.ts';
import { parseJson, readJson, splitArray } from './body.ts';
import { type Operation, ref } from './endpoint.ts';
import { type ApiDependencies, JSON_TYPE, respond } from './http.ts';
import { fieldErrorsOf, grantRequest, type IssuedAnswer, MAX_BATCH } from './schema.ts';

/** A hundred requests with a path of 300 bytes and the longest subject and filename take 90 KB. */
const MAX_BATCH_BYTES = 128 * 1024;

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

/** `POST /tokens/batch` issues all of its tokens, or none. */
export function issueBatch({ issue, publicUrl }: ApiDependencies): Operation {
  return {
    id: 'issueTokens',
    summary: 'Issue many tokens',
    description:
      'Issues all of the tokens or none, in the same order, in one round trip to the store.',
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
      const body = JSON.stringify(issued.map((one) => answerOf(one, publicUrl)));
      return respond(c, body, { 'Content-Type': JSON_TYPE }, 201);
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
      if (errors.length >= MAX_ERRORS) throw new Refused('invalid_request', NOT_ISSUED, errors);
    }
  };
  await inPieces(splitArray(body, MAX_BATCH), parse, ({ length }) => length);
  if (errors.length > 0) throw new Refused('invalid_request', NOT_ISSUED, errors);
  return requests;
}
