import { createHmac, type KeyObject, sign as signBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { JWTPayload } from 'jose';
import { z } from 'zod';
import { fieldSchemas, text } from '../issue/fields.ts';
import { prepareGrant } from '../issue/rules.ts';
import type { Mounts } from '../paths/mount.ts';
import type { Client } from '../token/client.ts';
import { type Grant, isFolder, KEPT_FIELDS, keptFieldsOf } from '../token/grant.ts';
import type { ClaimName } from '../token/grant-fields.ts';
import type { Rejection, Signer, Verified } from '../token/look-up.ts';
import { FieldErrors } from '../token/request-error.ts';
import { JWT_TYPE, jwtId, subjectId } from '../token/token.ts';
import type { OwnKeys } from './keys.ts';

/** A later date is certainly wrong. */
export const MAX_DATE = 1e11;

/** Seconds since the epoch (RFC 7519, NumericDate), with or without a fraction. */
const date = z.number().min(0).max(MAX_DATE);

/** Claims of an external token. Strict: an unknown claim may be a misspelt limit, which must not be ignored. */
const externalClaims = z.strictObject({
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  sub: text(256).optional(),
  iat: date,
  nbf: date.optional(),
  exp: date,
  jti: text(256),
  // The fields whose claim has the same name.
  ...fieldSchemas<ClaimName>(({ claim }) => claim === undefined),
  /** Until when a new requester is admitted, if `resume_for` extends beyond that. */
  start_by: date.optional(),
});

const ownClaims = externalClaims.extend({
  client_id: z.string(),
  mount: z.string(),
  /** False: the store does not keep the token. */
  revocable: z.literal(false).optional(),
});

/** `aud` of Postern's own tokens, and by default of those that Django and Rails sign. `iss` chooses the keys. */
export const OWN_AUDIENCE = 'urn:postern:download';

export function createSigner({ first }: OwnKeys, issuer: string): Signer {
  const sign = createSignPayload(first, JWT_TYPE);
  return {
    issuer,
    sign: (jti, grant, recorded) =>
      sign({ iss: issuer, aud: OWN_AUDIENCE, jti, ...claimsOf(grant, recorded) }),
  };
}

/** Signs in a thread, and takes a third of the event loop's time that jose takes with Web Crypto. */
const signInThread = promisify(signBytes);

const SIGNATURES: Readonly<
  Record<string, (input: Buffer, key: KeyObject) => Promise<Buffer> | Buffer>
> = {
  EdDSA: (input, key) => signInThread(null, input, key),
  // RFC 7518, section 3.4: the two numbers side by side. OpenSSL's own form is DER.
  ES256: (input, key) => signInThread('sha256', input, { key, dsaEncoding: 'ieee-p1363' }),
  HS256: (input, key) => createHmac('sha256', key).update(input).digest(),
};

/** Signs claims as compact JWS (RFC 7515). */
export function createSignPayload({ kid, alg, sign: key }: OwnKeys['first'], typ: string) {
  const signature = SIGNATURES[alg];
  if (signature === undefined) throw new TypeError(`no signatures with ${alg}`);
  const head = base64url({ alg, kid, typ });
  return async (claims: JWTPayload) => {
    const input = `${head}.${base64url(claims)}`;
    return `${input}.${(await signature(Buffer.from(input), key)).toString('base64url')}`;
  };
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The claims of a grant, under the field names of the API. */
function claimsOf(grant: Grant, recorded: boolean): JWTPayload {
  const { covers, uses, issuedAt, expiresAt, signedUntil = expiresAt } = grant;
  const iat = Math.floor(issuedAt / 1000);
  const kept = KEPT_FIELDS.flatMap(({ property, claim }) =>
    claim === false || grant[property] === undefined ? [] : [[claim, grant[property]]],
  );
  return {
    iat,
    // If the store keeps the token, the store ends it to the millisecond.
    exp: (recorded ? Math.ceil : Math.floor)(signedUntil / 1000),
    client_id: grant.client,
    mount: grant.mount,
    [isFolder(covers) ? 'prefix' : 'path']: covers,
    ...(uses && {
      max_uses: uses.max,
      resume_for: uses.resumeFor,
      bind: uses.cookieOnly ? 'cookie' : 'any',
      start_by: Math.ceil(expiresAt / 1000),
    }),
    ...Object.fromEntries(kept),
    nbf: Math.max(iat, grant.notBefore ?? iat),
    ...(!recorded && { revocable: false }),
  } as JWTPayload;
}

/** The result of valid claims, and until when it is valid (milliseconds since the epoch). */
export type ClaimsRead = { readonly verified: Verified; readonly until: number };

export function readOwn(payload: JWTPayload, issuer: string, now: number): ClaimsRead | Rejection {
  const { data: claims, error } = ownClaims.safeParse(payload);
  if (claims === undefined) return { reason: schemaReason(error) };
  const id = jwtId(issuer, claims.jti);
  // The leeway applies to the start, not to the end.
  const until = claims.exp * 1000;
  if (until <= now) return { reason: 'exp: has passed' };
  if (claims.revocable !== false) return { verified: { id, recorded: 'required' }, until };
  const grant = unstoredGrant(claims);
  return grant === undefined
    ? { reason: 'revocable: is false, but only the store can count uses' }
    : { verified: { id, recorded: 'never', grant }, until };
}

/** The grant of a token that is not stored; undefined if the claims are inconsistent, or need the store to count uses. */
function unstoredGrant(claims: z.infer<typeof ownClaims>): Grant | undefined {
  const { path, prefix, nbf = 0, iat, exp } = claims;
  const covers = path ?? prefix;
  if (covers === undefined || isFolder(covers) !== (prefix !== undefined)) return undefined;
  if (claims.max_uses !== undefined || claims.resume_for !== undefined) return undefined;
  return {
    client: claims.client_id,
    mount: claims.mount,
    covers,
    // Each own token has nbf. Without not_before, it is iat.
    ...keptFieldsOf({ ...claims, nbf: nbf > iat ? nbf : undefined }, ({ claim }) => claim),
    issuedAt: iat * 1000,
    expiresAt: exp * 1000,
    signedUntil: exp * 1000,
  };
}

/** The claims of an external token must pass all checks of a request for a token, with the limits of `client`. */
export function readExternal(
  payload: JWTPayload,
  client: Client,
  { mounts, leeway }: { readonly mounts: Mounts; readonly leeway: number },
  now: number,
): ClaimsRead | Rejection {
  const parsed = externalClaims.safeParse(payload);
  if (!parsed.success) return { reason: schemaReason(parsed.error) };
  const { iss, aud, nbf, sub: subject, iat, exp, jti, start_by: startBy, ...fields } = parsed.data;
  const starts = startBy ?? exp;
  const life = Math.ceil(starts - iat);
  // The issuer's clock may be ahead by the leeway.
  if (iat > now / 1000 + leeway) return { reason: 'iat: is later than now' };
  if (starts > exp) return { reason: 'start_by: is later than exp' };
  if (life < 1) return { reason: 'exp: is not later than iat' };
  // To the millisecond: the store remembers a revocation until then and no longer.
  if (exp + leeway <= now / 1000) return { reason: 'exp: has passed' };
  const request = { ...fields, subject, expires_in: life };
  // If there is no `resume_for`, the requesters of a counted token may resume until the end.
  const defaults = { expiresIn: life, resumeFor: Math.floor(exp - starts) };
  const errors = new FieldErrors();
  const prepared = prepareGrant(request, { client, mounts, defaults, errors });
  if (prepared === undefined || errors.all.length > 0) return { reason: errorsReason(errors) };
  // If there are no uses, everyone may start until `exp`, so the client's maximum applies to `exp`.
  if (prepared.grant.uses === undefined && starts !== exp) {
    return { reason: 'start_by: needs max_uses or resume_for' };
  }
  // Limits the end itself, whatever `resume_for` says.
  if (exp - starts > client.maxResumeFor) {
    return { reason: `exp: must be at most ${client.maxResumeFor} seconds after start_by` };
  }
  // Redis accepts only whole milliseconds.
  const times = {
    issuedAt: Math.floor(iat * 1000),
    expiresAt: Math.floor(starts * 1000),
    signedUntil: Math.ceil(exp * 1000),
  };
  const grant = { ...prepared.grant, ...times, external: true } as const;
  const verified = {
    id: jwtId(iss, jti),
    recorded: 'optional',
    grant,
    ...(subject !== undefined && {
      signed: { subjectId: subjectId(iss, subject), issuedAt: times.issuedAt },
    }),
  } as const;
  return { verified, until: (exp + leeway) * 1000 };
}

/** Names the first claim that is unknown or has an invalid form. */
function schemaReason({ issues: [issue] }: z.ZodError): string {
  if (issue?.code === 'unrecognized_keys') {
    return `${safeName(issue.keys[0] ?? '')}: is not a known claim`;
  }
  return `${safeName(issue?.path.map(String).join('.') ?? '')}: ${issue?.message}`;
}

/** Names the first claim that is invalid or that its issuer may not sign. */
function errorsReason({ all: [first] }: FieldErrors): string {
  const field = first?.pointer.slice(1).replaceAll('/', '.') ?? '';
  return `${CLAIM_OF_FIELD[field] ?? safeName(field)}: ${first?.detail}`;
}

/** Fields of a request for a token whose claims have other names. */
const CLAIM_OF_FIELD: Readonly<Record<string, string>> = {
  '': 'path, prefix',
  expires_in: 'exp',
};

/** A claim's name comes from the token and may be any text. */
export function safeName(name: string): string {
  return /^[\w:./-]{1,64}$/.test(name) ? name : 'a claim';
}
