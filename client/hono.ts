import type { Context, Env, MiddlewareHandler } from 'hono';
import { type PosternClient, PosternError, type TokenRequest } from './client.ts';

/** `Retry-After` if Postern did not respond. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Issues a token and redirects to its URL (303). `requestOf` decides whether this user may have the file:
 * return the token's request, or nothing for the next handler, which can show a login page or a 404.
 *
 * If Postern rejects the path, the response is 404, because no file has such a name. If Postern is not available, it
 * is 503 with `Retry-After`. Then `c.error` has the reason, for your log. Other errors are thrown, for `app.onError`.
 *
 * @example
 * ```ts
 * app.get('/files/:name', redirectToFile(postern, (c) => {
 *   const user = c.get('user');
 *   return user && { path: `/download/${c.req.param('name')}`, subject: String(user.id) };
 * }));
 * ```
 */
export function redirectToFile<E extends Env = Env, P extends string = string>(
  postern: Pick<PosternClient, 'issue'>,
  requestOf: (c: Context<E, P>) => MaybeRequest | Promise<MaybeRequest>,
): MiddlewareHandler<E, P> {
  return async function redirect(c, next) {
    const request = await requestOf(c);
    if (!request) return next();
    // The URL works for everybody who has it.
    c.header('Cache-Control', 'no-store');
    c.header('Referrer-Policy', 'no-referrer');
    try {
      const { url } = await postern.issue(request, { signal: c.req.raw.signal });
      return c.redirect(url, 303);
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      const isRejected = error.errors.some(({ pointer }) => pointer === '/path');
      if (!isRejected && !UNAVAILABLE.has(error.code)) throw error;
      c.error = error;
      if (isRejected) return c.notFound();
      c.header('Retry-After', String(error.retryAfter ?? RETRY_AFTER_SECONDS));
      return c.text('The file is not available at the moment.', 503);
    }
  };
}

type MaybeRequest = TokenRequest | undefined | null | false;

const UNAVAILABLE: ReadonlySet<string> = new Set(['unavailable', 'unreachable', 'timeout']);
