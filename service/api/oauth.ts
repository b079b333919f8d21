import type { LookUp } from '../token/look-up.ts';
import { RequestError } from '../token/request-error.ts';
import type { Revoke } from '../token/revoke.ts';
import type { StoreReads } from '../token/store.ts';
import { isOpaque, isToken, jwtId, tokenId } from '../token/token.ts';
import { grantFields, note } from './audit.ts';
import { formValue, MAX_FORM_BYTES } from './body.ts';
import { type AddEndpoint, ref } from './endpoint.ts';
import { json, respond } from './responses.ts';
import { type IntrospectionAnswer, wholeStateOf } from './schema.ts';

const form = (fields: Readonly<Record<string, string>>, optional: typeof fields = {}) => ({
  type: 'object',
  properties: Object.fromEntries(
    Object.entries({ ...fields, ...optional }).map(([name, description]) => [
      name,
      { type: 'string', description },
    ]),
  ),
  required: Object.keys(fields),
});

/** The `exp` of a JWT, in seconds since 1970; undefined if the form has none. @throws RequestError */
function expOf(sent: URLSearchParams): number | undefined {
  if (!sent.has('exp')) return undefined;
  const text = formValue(sent, 'exp');
  if (/^\d{1,12}(?:\.\d{1,9})?$/.test(text)) return Number(text);
  const errors = [{ pointer: '/exp', detail: 'must be a number of seconds since 1970' }];
  throw new RequestError('invalid_request', 'The form is not valid.', errors);
}

const METHODS = ['client_secret_basic', 'client_secret_post'];

/** RFC 8414, section 2, for the origin of the API. */
export const metadata = (issuer: string) => ({
  issuer,
  response_types_supported: [],
  introspection_endpoint: `${issuer}/introspect`,
  introspection_endpoint_auth_methods_supported: METHODS,
  revocation_endpoint: `${issuer}/revoke`,
  revocation_endpoint_auth_methods_supported: METHODS,
});

export interface OAuthDependencies {
  readonly lookUp: LookUp;
  readonly revoke: Revoke;
  readonly store: StoreReads;
}

/** Adds the endpoints of OAuth 2.0: introspection (RFC 7662), and revocation (RFC 7009), whether or not the token exists. */
export function addOAuth(
  endpoint: AddEndpoint,
  { lookUp, revoke, store }: OAuthDependencies,
): void {
  endpoint('OAuth', '/introspect', {
    post: {
      id: 'introspectToken',
      summary: 'Introspect a token',
      description: 'RFC 7662. A token that has ended or belongs to another client is not active.',
      form: form({ token: 'The token.' }),
      maxBytes: MAX_FORM_BYTES,
      answer: [200, 'Active or not.', ref('Introspection')],
      async handle(c) {
        const token = formValue(c.get('form'), 'token');
        note(c, { action: 'token.introspected', token_id: opaqueId(token) });
        const { id, grant } = isToken(token) ? await lookUp(token) : {};
        note(c, { token_id: id, active: false });
        // The gate denies every request with a token whose max_bytes were sent.
        if (id === undefined || grant?.client !== c.get('client').id || grant.exhausted) {
          return json<IntrospectionAnswer>(c, { active: false });
        }
        note(c, { active: true, ...grantFields(grant) });
        const { subject, id: jti, ...state } = await wholeStateOf(store, id, grant);
        const active = { active: true, token_type: 'Bearer', jti, sub: subject, ...state } as const;
        return json<IntrospectionAnswer>(c, active);
      },
    },
  });
  endpoint('OAuth', '/revoke', {
    post: {
      id: 'revoke',
      summary: 'Revoke a token by its text',
      description: "RFC 7009. To revoke another issuer's token, send its `iss` and `jti`.",
      form: {
        oneOf: [
          form({ token: 'The token.' }),
          form(
            { iss: "The token's issuer.", jti: "The token's JWT ID." },
            { exp: 'Its end, in seconds since 1970. Without it, the revocation has no end.' },
          ),
        ],
      },
      maxBytes: MAX_FORM_BYTES,
      answer: [200, 'Revoked, or not found.'],
      codes: ['unsupported_token_type'],
      async handle(c) {
        const form = c.get('form');
        const client = c.get('client');
        if (form.has('jti') && !form.has('token')) {
          const [issuer, jti] = [formValue(form, 'iss'), formValue(form, 'jti')];
          const exp = expOf(form);
          note(c, { action: 'token.revoked', by: 'jti', token_id: jwtId(issuer, jti) });
          await revoke.jti(client, issuer, jti, exp);
        } else {
          const token = formValue(form, 'token');
          note(c, { action: 'token.revoked', by: 'token', token_id: opaqueId(token) });
          const ended = isToken(token) ? await revoke.token(client, token) : { revoked: false };
          note(c, { token_id: ended.id, count: Number(ended.revoked) });
        }
        return respond(c, null);
      },
    },
  });
}

/** Undefined for a JWT: its ID is known only after its verification. */
function opaqueId(token: string): string | undefined {
  return isOpaque(token) ? tokenId(token) : undefined;
}
