import type { Context, MiddlewareHandler } from 'hono';
import { auth } from 'hono/utils/basic-auth';
import { type ApiKey, type Client, findClient } from '../token/client.ts';
import { RequestError } from '../token/request-error.ts';
import type { ApiEnv } from './audit.ts';
import { formValue, readForm } from './body.ts';
import { problem } from './responses.ts';

export interface KnownClients {
  readonly apiKeys: readonly ApiKey[];
  /** The client of a JWT. */
  readonly clientOf: (credential: string) => Promise<Client | undefined>;
}

/** Who sent a request. Without a client, the response has the detail and the challenge. */
type Sender = readonly [client: Client | undefined, detail: string, challenge: string];

const NO_KEY = 'Send an API key, or a JWT of a trusted issuer, as Authorization: Bearer.';
const UNKNOWN_KEY = 'No client has this API key, and no trusted issuer signed it as a valid JWT.';
const UNKNOWN_CLIENT = 'No client has this ID and this API key.';
const TWICE = 'Authenticate by the Authorization header or in the form, not by both.';

const BEARER = 'Bearer realm="postern-api"';
const BASIC = 'Basic realm="postern-api"';

/** Authenticates a client. `by` finds who sent a request. */
export function authenticate(credentials: KnownClients, by = byBearer): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const [client, detail, challenge] = await by(c, credentials);
    if (client === undefined) {
      const headers = { 'WWW-Authenticate': challenge };
      return problem(c, 'invalid_client', detail, { headers });
    }
    c.set('client', client);
    return next();
  };
}

/** By an API key or a JWT (RFC 6750, sections 2.1 and 3.1). */
async function byBearer(c: Context, { apiKeys, clientOf }: KnownClients): Promise<Sender> {
  const secret = /^bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
  if (secret === undefined) return [undefined, NO_KEY, BEARER];
  const client = findClient(apiKeys, secret) ?? (await clientOf(secret));
  return [client, UNKNOWN_KEY, `${BEARER}, error="invalid_token"`];
}

/** The ID and the key of a client. No serializer encodes a letter or an underscore in the name of a field. */
const CREDENTIAL = /^client_(?:id|secret)(?:=|$)/;

/** Characters of an encoded ID or key that are read. A longer one is unknown. */
const MAX_CREDENTIAL_LENGTH = 1024;

/**
 * For OAuth: also by an ID and an API key in HTTP Basic or in the form (RFC 6749, section 2.3.1). The body must be limited.
 * Until the client is known, nothing else in the form is decoded: 6 KB would take longer than the rest of the request.
 */
export async function byForm(c: Context, credentials: KnownClients): Promise<Sender> {
  const fields = await readForm(c);
  const own = fields.filter((field) => CREDENTIAL.test(field));
  const sent = new URLSearchParams(own.map((one) => one.slice(0, MAX_CREDENTIAL_LENGTH)).join('&'));
  const sender = await byEither(c, sent, credentials);
  if (sender[0] !== undefined) c.set('form', new URLSearchParams(fields.join('&')));
  return sender;
}

/** @param form only its `client_id` and `client_secret` */
async function byEither(c: Context, form: URLSearchParams, credentials: KnownClients) {
  const { apiKeys } = credentials;
  const header = c.req.header('authorization');
  if (form.has('client_secret')) {
    if (header !== undefined) throw new RequestError('invalid_request', TWICE);
    const [id, key] = [formValue(form, 'client_id'), formValue(form, 'client_secret')];
    return [findClient(apiKeys, key, id), UNKNOWN_CLIENT, BEARER] as const;
  }
  if (!/^basic( |$)/i.test(header ?? '')) return byBearer(c, credentials);
  const { username, password } = auth(c.req.raw) ?? {};
  const [id, key] = [formDecoded(username), formDecoded(password)];
  // A client may repeat its ID in the form, but must not name another client.
  const isOne = form.getAll('client_id').every((one) => one === id);
  const client = key && isOne ? findClient(apiKeys, key, id) : undefined;
  return [client, UNKNOWN_CLIENT, BASIC] as const;
}

/** Both halves of HTTP Basic are encoded as the values of a form. */
function formDecoded(text = ''): string {
  return new URLSearchParams(`value=${text.replaceAll('&', '%26')}`).get('value') ?? '';
}
