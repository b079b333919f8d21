import { z } from 'zod';
import { fieldSchemas } from '../issue/fields.ts';
import { nextTurn } from '../pieces.ts';
import {
  type Grant,
  isFolder,
  KEPT_FIELDS,
  type KnownRequester,
  resumableUntil,
  type Uses,
} from '../token/grant.ts';
import type { ShownName } from '../token/grant-fields.ts';
import { type FieldError, MAX_ERRORS } from '../token/request-error.ts';
import { MAX_SHOWN_REQUESTERS, type Requesters, type StoreReads } from '../token/store.ts';

/** Tokens in a request, and in a page of a list. */
export const MAX_BATCH = 100;
export const MAX_PAGE = 100;

/** The body of `POST /tokens`, and an entry of `POST /tokens/batch`. service/issue/ checks the rest. */
export const grantRequest = z.strictObject(
  fieldSchemas(),
  'must be an object; send an array of requests to /tokens/batch',
);

/** The body of `PATCH /tokens/{id}`. */
export const prolongRequest = z.strictObject(
  { expires_in: z.nonoptional(grantRequest.shape.expires_in, 'is required') },
  'must be an object',
);

/** The errors of a body, with JSON pointers (RFC 6901) below `at`. */
export function fieldErrorsOf(error: z.ZodError, at = ''): FieldError[] {
  return error.issues.flatMap((issue) => {
    const pointer = at + issue.path.map((key) => `/${escapePointer(String(key))}`).join('');
    if (issue.code !== 'unrecognized_keys') return [{ pointer, detail: issue.message }];
    return issue.keys.slice(0, MAX_ERRORS).map((key) => ({
      pointer: `${pointer}/${escapePointer(key)}`,
      detail: 'is not a known field',
    }));
  });
}

function escapePointer(key: string): string {
  return key.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1');
}

// The schemas of requests and responses in the OpenAPI document. The handlers use their types.

export const fileRequest = z
  .strictObject(fieldSchemas(({ for: only }) => only !== 'prefix'))
  .omit({ prefix: true })
  .required({ path: true })
  .meta({ description: 'A request for a token for one file.' });

export const folderRequest = grantRequest
  .omit({ path: true })
  .required({ prefix: true })
  .meta({ description: 'A request for a token for a folder, with all files and folders in it.' });

const described = <S extends z.ZodType>(schema: S, description: string, example?: unknown): S =>
  schema.meta({ description, ...(example !== undefined && { examples: [example] }) });

const text = (description: string, example?: string) => described(z.string(), description, example);

const whole = (description: string, example?: number) =>
  described(z.number().int(), description, example);

const count = (description: string, example = 1) =>
  described(z.number().int().min(0), description, example);

const time = (description: string) =>
  whole(`${description}, in seconds since 1970.`, 1_795_568_852);

export const tokenIdSchema = text(
  'Identifies the token in the API and in logs. It gives no access to files.',
  'e-SE8A6GH9iOzDIMcEWWDx',
);

const bearer = described(z.literal('Bearer'), 'The type of the token (RFC 6749, section 7.1).');

const TOKEN = 'ps_mTaWzRs-n8A6OXBYPe03lhvMgydwB1tV';

export const issued = z.strictObject({
  access_token: text('The token.', TOKEN),
  token_type: bearer,
  expires_in: described(
    z.number().int().min(1),
    'Seconds in which a new requester may start.',
    120,
  ),
  id: tokenIdSchema,
  url: text(
    'URL of the file. For a folder: append the name of a file. A path, or absolute with POSTERN_PUBLIC_URL.',
    `/download/reports/2026.pdf?token=${TOKEN}`,
  ),
  cookie_url: text(
    'With `cookie`: URL of the folder. Its first use sets the token as a cookie.',
    `/download/photos/?token=${TOKEN}`,
  ).optional(),
  warning: text(
    'The path contains an escape such as `%20`, or a `?`, as if it were URL-encoded.',
    'Paths are not URL-encoded: this token is for a name that contains %20',
  ).optional(),
});

export type IssuedAnswer = z.infer<typeof issued>;

export const requester = z.strictObject({
  address: text('Its address (IPv6: its /64); absent if nginx had none.', '192.0.2.7').optional(),
  began: time('Time of its first use'),
  resumable_until: time('Time until which it may resume'),
});

export const delivered = z.strictObject({
  requests: whole('Number of responses with the file or a part of it.', 1),
  bytes: whole('Total bytes of these responses.', 8_388_608),
  first: time('Time at which nginx ended the first of these responses'),
  last: time('Time at which nginx ended the last of these responses'),
  size: whole('For a file: its size.', 8_388_608).optional(),
  whole: described(z.boolean(), 'For a file: nginx sent all of it.', true).optional(),
});

const { subject, ...shown } = fieldSchemas<ShownName>(({ shown = true }) => shown);

const kept = {
  client_id: text('The client that issued the token.', 'web'),
  ...shown,
  uses_left: count('New requesters that may start before `exp`.').optional(),
  requesters: described(
    z.array(requester).max(MAX_SHOWN_REQUESTERS),
    'The newest requesters that used the token, oldest first; absent if requesters are not counted.',
  ).optional(),
  requesters_total: count('Number of all requesters that used the token.').optional(),
  resumable_until: time('Time until which any requester may resume').optional(),
  delivered: described(
    delivered,
    'What nginx reported that it sent; absent if it reported nothing.',
  ).optional(),
  iat: time('Time at which the token was issued'),
  exp: time('Time at which the token ends for new requesters'),
};

export const state = z.strictObject({ id: tokenIdSchema, subject, ...kept });

export type State = z.infer<typeof state>;

export const page = z.strictObject({
  tokens: described(z.array(state).max(MAX_PAGE), 'Ordered by their end.'),
  next_cursor: text(
    'The `cursor` of the next page; absent on the last one.',
    '1795568972000.e-SE8A6GH9iOzDIMcEWWDx',
  ).optional(),
});

export type PageAnswer = z.infer<typeof page>;

export const revoked = z.strictObject({
  revoked: count('Number of revoked tokens, without those that issuers signed.', 3),
  signed_before: time('Before which JWTs of issuers end').optional(),
});

/** RFC 7662, section 2.2. */
export const introspection = z.discriminatedUnion('active', [
  z.strictObject({ active: described(z.literal(false), 'Not a live token of this client.') }),
  z.strictObject({
    active: described(z.literal(true), 'A live token of this client.'),
    token_type: bearer,
    jti: tokenIdSchema,
    sub: subject,
    ...kept,
  }),
]);

export type IntrospectionAnswer = z.infer<typeof introspection>;

const STORE_KINDS = z.enum(['memory', 'server', 'sentinel', 'cluster']);

/** The members of `/readyz`. */
const ofStore = {
  store: described(STORE_KINDS, 'Kind of store.').optional(),
  masters: count('Masters that the store should have.').optional(),
  answering: count('Masters that accept writes.').optional(),
  replicas: count('Smallest number of replicas that a master has.').optional(),
  wanted: count('Replicas that must acknowledge a change (POSTERN_STORE_REPLICAS).').optional(),
  warning: text('A problem that can make the store unavailable, or lose tokens.').optional(),
};

export const health = z.strictObject({
  status: described(z.literal('ok'), 'The check succeeded.'),
  ...ofStore,
});

const fieldError = z.strictObject({
  pointer: text('The field, as a JSON pointer (RFC 6901).', '#/path'),
  detail: text('What is wrong with it.', 'must not be empty'),
});

/** RFC 9457. */
export const problemDocument = z.strictObject({
  type: text('Always `about:blank`: `code` names the problem (RFC 9457).', 'about:blank'),
  title: text('The reason phrase of the status.', 'Bad Request'),
  status: described(z.number().int().min(300).max(599), 'The status of the response.', 400),
  code: text('Stable. Test for the code, not for the texts.', 'invalid_request'),
  detail: text('What happened, and what to do.', 'The request is not valid.').optional(),
  errors: described(z.array(fieldError), 'Each invalid field.').optional(),
  error: text('The code, at the endpoints of OAuth (RFC 6749, section 5.2).').optional(),
  error_description: text('The detail, at the endpoints of OAuth.').optional(),
  ...ofStore,
});

const SHOWN_FIELDS = KEPT_FIELDS.filter(({ shown }) => shown);

/** A grant in the API's form, with times in whole seconds. */
export function stateOf(id: string, grant: Grant, requesters?: Requesters): State {
  const { client, covers, uses } = grant;
  return {
    id,
    client_id: client,
    [isFolder(covers) ? 'prefix' : 'path']: covers,
    ...Object.fromEntries(SHOWN_FIELDS.map(({ name, property }) => [name, grant[property]])),
    max_uses: uses?.max,
    resume_for: uses?.resumeFor,
    bind: uses && (uses.cookieOnly ? 'cookie' : 'any'),
    ...(uses && requesters && usageOf(uses, requesters, grant.expiresAt)),
    format: grant.signedUntil === undefined ? undefined : 'jwt',
    iat: seconds(grant.issuedAt),
    exp: seconds(grant.expiresAt),
  };
}

/** As `stateOf`, with the newest requesters, and with what nginx sent. It waits for a turn if there may be many. */
export async function wholeStateOf(store: StoreReads, id: string, grant: Grant): Promise<State> {
  if (grant.uses) await nextTurn();
  const [requesters, sent] = await Promise.all([
    grant.uses && store.requesters(id),
    store.delivered(id),
  ]);
  const state = stateOf(id, grant, requesters);
  if (sent === undefined) return state;
  const { first, last, whole, ...counted } = sent;
  const times = { first: seconds(first), last: seconds(last) };
  const delivered = { ...counted, ...times, ...(!isFolder(grant.covers) && { whole }) };
  return { ...state, delivered };
}

function usageOf(uses: Uses, { total, newest }: Requesters, expiresAt: number) {
  const until = (one: KnownRequester) => seconds(Math.max(expiresAt, resumableUntil(uses, one)));
  const last = newest.at(-1);
  return {
    uses_left: uses.max === undefined ? undefined : uses.max - total,
    // The latest time at which any of them can resume.
    resumable_until: last && until(last),
    requesters_total: total,
    requesters: newest.map((requester) => ({
      address: requester.address,
      began: seconds(requester.began),
      resumable_until: until(requester),
    })),
  };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
