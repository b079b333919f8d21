import { z } from 'zod';
import type { Delivered } from '../domain/delivery.ts';
import type { FieldError } from '../domain/errors.ts';
import {
  type Grant,
  isFolder,
  type KnownRequester,
  resumableUntil,
  type Uses,
} from '../domain/grant.ts';
import { KEPT_FIELDS, type ShownName } from '../domain/grant-fields.ts';
import type { Store } from '../domain/store.ts';
import { fieldSchemas } from '../schema.ts';

/** Maximum number of tokens in a request. */
export const MAX_BATCH = 1000;

/** Maximum number of tokens in a page of a list. */
export const MAX_PAGE = 1000;

/** The body of `POST /tokens` for one token. */
export const grantRequest = z.strictObject(fieldSchemas());

/** The body of `PATCH /tokens/{id}`. */
export const prolongRequest = grantRequest.pick({ expires_in: true }).required();

/** The errors of a body, with JSON pointers (RFC 6901) below `at`. */
export function fieldErrorsOf(error: z.ZodError, at = ''): FieldError[] {
  return error.issues.flatMap((issue) => {
    const pointer = at + issue.path.map((key) => `/${escapePointer(String(key))}`).join('');
    if (issue.code !== 'unrecognized_keys') return [{ pointer, detail: issue.message }];
    return issue.keys.map((key) => ({
      pointer: `${pointer}/${escapePointer(key)}`,
      detail: 'is not a known field',
    }));
  });
}

function escapePointer(key: string): string {
  return key.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1');
}

// The API's responses: the handlers have these types, and the OpenAPI document describes them.

const time = z.number().int().meta({ description: 'Seconds since 1970.' });

export const issued = z.strictObject({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.number().int(),
  id: z.string(),
  url: z.string(),
  cookie_url: z.string().optional(),
});

export type IssuedAnswer = z.infer<typeof issued>;

const requester = z.strictObject({
  address: z.string().optional(),
  began: time,
  resumable_until: time,
});

const delivered = z.strictObject({
  requests: z.number().int(),
  bytes: z.number().int(),
  first: time,
  last: time,
  size: z.number().int().optional().meta({ description: 'Of a token for a file: its size.' }),
  whole: z.boolean().optional().meta({ description: 'Of a token for a file: all of it was sent.' }),
});

const { subject, ...shown } = fieldSchemas<ShownName>(({ shown = true }) => shown);

const kept = {
  client_id: z.string(),
  ...shown,
  uses_left: z.number().int().optional(),
  requesters: z.array(requester).optional(),
  resumable_until: time.optional(),
  delivered: delivered.optional(),
  iat: time,
  exp: time,
};

export const state = z.strictObject({ id: z.string(), subject, ...kept });

export type State = z.infer<typeof state>;

export const page = z.strictObject({
  tokens: z.array(state),
  next_cursor: z.string().optional(),
});

export type PageAnswer = z.infer<typeof page>;

export const revoked = z.strictObject({ revoked: z.number().int() });

/** RFC 7662, section 2.2. */
export const introspection = z.union([
  z.strictObject({ active: z.literal(false) }),
  z.strictObject({
    active: z.literal(true),
    token_type: z.literal('Bearer'),
    jti: z.string(),
    sub: subject,
    ...kept,
  }),
]);

export type IntrospectionAnswer = z.infer<typeof introspection>;

const count = z.number().int().optional();

/** The members of `/readyz`. */
const ofStore = {
  store: z.enum(['memory', 'server', 'sentinel', 'cluster']).optional(),
  masters: count,
  answering: count,
  replicas: count,
  wanted: count,
  warning: z.string().optional(),
};

export const health = z.strictObject({ status: z.literal('ok'), ...ofStore });

/** RFC 9457. */
export const problemDocument = z.strictObject({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.number().int(),
  code: z.string().meta({ description: 'Stable: test for it, not for the texts.' }),
  detail: z.string().optional(),
  errors: z
    .array(z.strictObject({ pointer: z.string(), detail: z.string() }))
    .optional()
    .meta({ description: 'Each invalid field, by its JSON pointer.' }),
  ...ofStore,
});

const SHOWN_FIELDS = KEPT_FIELDS.filter(({ shown }) => shown);

/** A grant in the API's form, with times in whole seconds. */
export function stateOf(id: string, grant: Grant, requesters?: readonly KnownRequester[]): State {
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

/** As `stateOf`, with the requesters, and with what nginx sent. */
export async function wholeStateOf(store: Store, id: string, grant: Grant): Promise<State> {
  const [requesters, sent] = await Promise.all([
    grant.uses && store.requesters(id),
    store.delivered(id),
  ]);
  const state = stateOf(id, grant, requesters);
  return sent === undefined ? state : { ...state, delivered: deliveredOf(sent, grant) };
}

function deliveredOf({ first, last, whole, ...sent }: Delivered, { covers }: Grant) {
  const times = { first: seconds(first), last: seconds(last) };
  return { ...sent, ...times, ...(!isFolder(covers) && { whole }) };
}

function usageOf(uses: Uses, requesters: readonly KnownRequester[], expiresAt: number) {
  const until = (one: KnownRequester) => seconds(Math.max(expiresAt, resumableUntil(uses, one)));
  const last = requesters.at(-1);
  return {
    uses_left: uses.max === undefined ? undefined : uses.max - requesters.length,
    // The latest time at which any of them can resume.
    resumable_until: last && until(last),
    requesters: requesters.map((requester) => ({
      address: requester.address,
      began: seconds(requester.began),
      resumable_until: until(requester),
    })),
  };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
