import { batchesOf, createBatched } from './batches.ts';
import { PosternError } from './errors.ts';
import { type CallOptions, type ClientOptions, createSend, unexpectedResponse } from './http.ts';
import type { Introspection, IssuedToken, TokenPage, TokenRequest, TokenState } from './types.ts';

export {
  type ApiErrorCode,
  type ErrorCode,
  type InvalidField,
  PosternError,
} from './errors.ts';
export type { CallOptions, ClientOptions } from './http.ts';
export type {
  FileRequest,
  FolderRequest,
  Introspection,
  IssuedToken,
  TokenPage,
  TokenRequest,
  TokenState,
} from './types.ts';

/** Which tokens to list. Without fields: all that this client issued. */
export interface ListQuery {
  /** The subject of the tokens, exactly. */
  readonly subject?: string | undefined;
  /** The `path` or `prefix` of the tokens, exactly. */
  readonly path?: string | undefined;
  /** The client that issued the tokens. To name another client, your API key needs `admin: true`. */
  readonly client?: string | undefined;
  /** Tokens per page, 1 to 100. Default: 100. */
  readonly limit?: number | undefined;
  /** `next_cursor` of the previous page. */
  readonly cursor?: string | undefined;
}

/** Options of a call that revokes the tokens of a subject. */
export interface SubjectOptions extends CallOptions {
  /** The client that issued the tokens. To name another client, your API key needs `admin: true`. */
  readonly client?: string | undefined;
}

/** A JWT of your own back end, by its claims. */
export interface SignedTokenName {
  /** The issuer. */
  readonly iss: string;
  /** The name of the token, unique for the issuer. */
  readonly jti: string;
  /** The end of the token. Without it, the revocation never expires. */
  readonly exp?: number | undefined;
}

/**
 * The API of Postern. Each method rejects with a `PosternError`, or with the reason of `signal`.
 *
 * A call that may be sent twice is sent again after a lost connection and after 502, 503 or 504: `show`,
 * `list`, `revoke`, `revokeToken`, `revokeSubject`, `revokeClient` and `introspect`. `issue`, `issueMany` and
 * `prolong` are not. After 429 each call is sent again, because Postern has not begun it.
 */
export interface PosternClient {
  /** Issues a token. Give its `url` to the user. */
  issue(request: TokenRequest, options?: CallOptions): Promise<IssuedToken>;
  /**
   * Issues any number of tokens, in the same order, in batches of at most 100 requests and 128 KiB, one after the other.
   * A batch that fails returns none of its tokens. The tokens of earlier batches exist until they end.
   *
   * @example
   * ```ts
   * const tokens = await postern.issueMany(names.map((name) => ({ path: `/download/${name}` })));
   * ```
   */
  issueMany(requests: readonly TokenRequest[], options?: CallOptions): Promise<IssuedToken[]>;
  /** The state of a live token. */
  show(id: string, options?: CallOptions): Promise<TokenState>;
  /**
   * A page of live tokens, ordered by their end.
   *
   * @example
   * ```ts
   * let page = await postern.list({ subject: 'user-42' });
   * while (page.next_cursor) page = await postern.list({ subject: 'user-42', cursor: page.next_cursor });
   * ```
   */
  list(query?: ListQuery, options?: CallOptions): Promise<TokenPage>;
  /** Changes the end of a live token to `expiresIn` seconds from now, earlier or later than before. */
  prolong(id: string, expiresIn: number, options?: CallOptions): Promise<TokenState>;
  /** Revokes a token by its ID. False: this client has no live token with this ID, also if a retry finds it revoked. */
  revoke(id: string, options?: CallOptions): Promise<boolean>;
  /**
   * Revokes a token by its text, or a JWT of your own back end by its claims. Resolves also without such a token.
   *
   * @example
   * ```ts
   * await postern.revokeToken({ iss: 'https://shop.example', jti, exp });
   * ```
   */
  revokeToken(token: string | SignedTokenName, options?: CallOptions): Promise<void>;
  /**
   * Revokes all live tokens of a subject. Returns their number; after a retry, the number of the remaining ones.
   *
   * @example
   * ```ts
   * const count = await postern.revokeSubject('user-42');
   * ```
   */
  revokeSubject(subject: string, options?: SubjectOptions): Promise<number>;
  /** Revokes all live tokens of a client, as `revokeSubject`. */
  revokeClient(client: string, options?: CallOptions): Promise<number>;
  /**
   * The state of a token. Tokens of other clients are inactive.
   *
   * @example
   * ```ts
   * const { active } = await postern.introspect(token);
   * ```
   */
  introspect(token: string, options?: CallOptions): Promise<Introspection>;
}

/**
 * Creates a client. It opens no connection.
 *
 * @throws TypeError if `url` is not the URL of an API, or `key` cannot be a key
 *
 * @example
 * ```ts
 * const postern = createClient({ url: 'http://127.0.0.1:7301', key: process.env.POSTERN_API_KEY ?? '' });
 * const { url } = await postern.issue({ path: '/download/a.pdf', subject: 'user-42' });
 * ```
 */
export function createClient(options: ClientOptions): PosternClient {
  const send = createSend(options);

  /** A response of another server can be any JSON. */
  async function ask<T extends object>(has: keyof T, request: Parameters<typeof send>[0]) {
    const answer = Object(await send(request)) as T;
    if (!(has in answer)) throw unexpectedResponse(200);
    return answer;
  }

  async function revokeAll(query: Record<string, unknown>, { signal }: CallOptions = {}) {
    const path = `/tokens?${form(query)}`;
    const request = { ...repeatable, ...(signal && { signal }), method: 'DELETE', path };
    return (await ask<{ revoked: number }>('revoked', request)).revoked;
  }

  function issueOne(body: string, options?: CallOptions) {
    return ask<IssuedToken>('url', { ...options, method: 'POST', path: '/tokens', body });
  }

  async function issueBatch(batch: readonly string[], options?: CallOptions) {
    const body = `[${batch.join()}]`;
    const issued = await send({ ...options, method: 'POST', path: '/tokens/batch', body });
    if (Array.isArray(issued) && issued.length === batch.length) return issued as IssuedToken[];
    throw unexpectedResponse(201);
  }

  const batched = options.batch ? createBatched(issueOne, issueBatch) : undefined;

  return {
    issue(request, options) {
      const body = JSON.stringify(request);
      // A signal must not end the calls of others.
      return batched && !options?.signal ? batched(body) : issueOne(body, options);
    },
    async issueMany(requests, options) {
      const all: IssuedToken[] = [];
      for (const batch of batchesOf(requests.map((request) => JSON.stringify(request)))) {
        try {
          all.push(...(await issueBatch(batch, options)));
        } catch (error) {
          throw error instanceof PosternError ? inAll(error, all.length) : error;
        }
      }
      return all;
    },
    show(id, options) {
      return ask<TokenState>('id', { ...options, ...repeatable, method: 'GET', path: pathOf(id) });
    },
    list(query = {}, options) {
      const path = `/tokens?${form({ ...query })}`;
      return ask<TokenPage>('tokens', { ...options, ...repeatable, method: 'GET', path });
    },
    prolong(id, expiresIn, options) {
      const body = JSON.stringify({ expires_in: expiresIn });
      return ask<TokenState>('id', { ...options, method: 'PATCH', path: pathOf(id), body });
    },
    async revoke(id, options) {
      try {
        await send({ ...options, ...repeatable, method: 'DELETE', path: pathOf(id) });
        return true;
      } catch (error) {
        if (error instanceof PosternError && error.code === 'not_found') return false;
        throw error;
      }
    },
    async revokeToken(token, options) {
      const { iss, jti, exp } = Object(token) as SignedTokenName;
      const body = form(typeof token === 'string' ? { token } : { iss, jti, exp });
      await send({ ...options, ...repeatable, method: 'POST', path: '/revoke', body });
    },
    revokeSubject(subject, options) {
      return revokeAll({ subject: String(subject), client: options?.client }, options);
    },
    revokeClient(client, options) {
      return revokeAll({ client: String(client) }, options);
    },
    introspect(token, options) {
      const body = form({ token });
      const request = { ...options, ...repeatable, method: 'POST', path: '/introspect', body };
      return ask<Introspection>('active', request);
    },
  };
}

const repeatable = { repeatable: true };

/** The error of a batch, whose pointers begin with an index in all requests instead of one in the batch. */
function inAll(error: PosternError, before: number): PosternError {
  if (before === 0 || error.errors.length === 0) return error;
  const errors = error.errors.map(({ pointer, detail }) => {
    const moved = pointer.replace(/^\/(\d+)/, (_, index) => `/${before + Number(index)}`);
    return { pointer: moved, detail };
  });
  const { code, status, detail, requestId, retryAfter, cause } = error;
  return new PosternError(code, { status, detail, errors, requestId, retryAfter, cause });
}

/** Drops the fields that are undefined. */
function form(fields: Readonly<Record<string, unknown>>): URLSearchParams {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]));
}

/** An ID from a user must not name another endpoint, as `..` would. No token has the ID `-`. */
function pathOf(id: string): string {
  return `/tokens/${/^[\w-]+$/.test(id) ? id : '-'}`;
}
