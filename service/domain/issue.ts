import { randomBytes } from 'node:crypto';
import { createQueue, inChunks } from './batches.ts';
import type { Client } from './client.ts';
import { hashPin } from './confirm.ts';
import { MAX_ERRORS, Refused, RequestErrors } from './errors.ts';
import { type Grant, isFolder, latestEndOf } from './grant.ts';
import type { GrantRequest } from './grant-fields.ts';
import { type Defaults, type PreparedGrant, prepareGrant } from './grant-request.ts';
import type { Signer } from './look-up.ts';
import type { Mount, Mounts } from './mount.ts';
import { encodePath } from './path.ts';
import type { Entry, Store } from './store.ts';
import { jwtId, MAX_JWT_LENGTH, newToken, tokenId } from './token.ts';

export type Format = 'opaque' | 'jwt';

interface Formats {
  /** For requests that name none. */
  readonly format: Format;
  /** Absent: no key is configured. */
  readonly signer?: Signer;
}

export interface IssueOptions extends Defaults, Formats {
  /** Whether nginx reports what it sends. */
  readonly countsBytes: boolean;
  readonly mounts: Mounts;
  readonly store: Store;
  readonly now: () => number;
}

export interface Issued {
  readonly token: string;
  readonly id: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Path and query. */
  readonly url: string;
  /** For a grant with `cookie`: its relative links have no token, so that a client uses the cookie. */
  readonly cookieUrl?: string;
}

/** `at` is a JSON pointer into the body: empty for a single request, `/3` for the fourth of a batch. */
export type Requests = ReadonlyArray<{ readonly at: string; readonly request: GrantRequest }>;

export type Issue = (client: Client, requests: Requests) => Promise<readonly Issued[]>;

/** Issues tokens, all or none, in one round trip to the store. */
export function createIssue(options: IssueOptions): Issue {
  const { mounts, store, now } = options;
  // One hash at a time: a batch must not occupy the threads that decisions need.
  const enqueue = createQueue();
  return async function issue(client, requests) {
    const errors = new RequestErrors();
    const prepared: Array<PreparedGrant & Requests[number]> = [];
    for await (const chunk of inChunks(requests)) {
      for (const { at, request } of chunk) {
        const own = errors.at(at);
        const one = prepareGrant(request, client, { mounts, defaults: options }, own);
        checkFormat(request, options, one?.grant ?? {}, own);
        if (request.max_bytes !== undefined && !options.countsBytes)
          own.add('max_bytes', UNCOUNTED);
        if (one === undefined) continue;
        checkBegin(request, one, now(), own);
        prepared.push({ ...one, at, request });
      }
      if (errors.all.length >= MAX_ERRORS) break;
    }
    refuse(errors);

    const issuedAt = now();
    const entries: Entry[] = [];
    const issued: Issued[] = [];
    for await (const chunk of inChunks(prepared)) {
      // Concurrently: signing runs outside of the event loop.
      const tokens = await Promise.all(
        chunk.map(async ({ at, grant, expiresIn, request }) => {
          const times = { issuedAt, expiresAt: issuedAt + expiresIn * 1000 };
          const { pin } = request;
          const hashed = pin !== undefined && { pinHash: await enqueue(() => hashPin(pin)) };
          return createToken({ ...grant, ...hashed, ...times }, request, options, errors.at(at));
        }),
      );
      for (const [i, { resolved, expiresIn }] of chunk.entries()) {
        const one = tokens[i];
        if (one === undefined) continue;
        const { token, id, grant, recorded } = one;
        if (recorded) entries.push([id, grant]);
        const { mount, covers } = resolved;
        const url = urlFor(mount, covers, token);
        const cookieUrl = grant.cookie && `${encodePath(covers)}?token=${token}`;
        issued.push({ token, id, expiresIn, url, ...(cookieUrl && { cookieUrl }) });
      }
      if (errors.malformed.length >= MAX_ERRORS) break;
    }
    refuse(errors);
    if (entries.length > 0) await store.issue(entries);
    return issued;
  };
}

function refuse({ malformed, forbidden, all }: RequestErrors): void {
  if (malformed.length > 0) {
    const detail = 'No token was issued: the request is not valid.';
    throw new Refused('invalid_request', detail, all);
  }
  if (forbidden.length > 0) {
    const detail = 'No token was issued: not allowed for this client.';
    throw new Refused('insufficient_scope', detail, forbidden);
  }
}

function checkBegin(
  { not_before: notBefore = 0 }: GrantRequest,
  { expiresIn }: PreparedGrant,
  now: number,
  errors: RequestErrors,
): void {
  if (notBefore * 1000 < now + expiresIn * 1000) return;
  errors.add('not_before', `must be before the end, and expires_in (${expiresIn}) counts from now`);
}

const UNCOUNTED = 'needs POSTERN_DELIVERY_LISTEN: without it, Postern does not know the bytes';

function checkFormat(
  { format, revocable, target_args: targetArgs, max_bytes: maxBytes }: GrantRequest,
  { format: defaultFormat, signer }: Formats,
  { uses }: Pick<Grant, 'uses'>,
  errors: RequestErrors,
): void {
  const isJwt = (format ?? defaultFormat) === 'jwt';
  if (format === 'jwt' && signer === undefined) {
    errors.add('format', 'must be opaque: no key to sign with is configured');
  }
  if (isJwt && targetArgs !== undefined) {
    errors.add('target_args', 'needs the format opaque: a JWT would show it to the client');
  }
  if (revocable !== false) return;
  if (!isJwt) {
    errors.add('revocable', 'must be true, or format must be jwt: opaque tokens are stored');
  }
  if (maxBytes !== undefined) {
    errors.add('revocable', 'must be true with max_bytes: the store counts the bytes');
  }
  if (uses !== undefined) {
    const detail = 'must be true with max_uses, resume_for or confirm: the store counts requesters';
    errors.add('revocable', detail);
  }
}

interface CreatedToken {
  readonly token: string;
  readonly id: string;
  /** Whether the store keeps it. */
  readonly recorded: boolean;
  readonly grant: Grant;
}

/** A new token for a grant; undefined, with an error, if it would be too long. */
async function createToken(
  grant: Grant,
  { format, revocable = true }: GrantRequest,
  { format: defaultFormat, signer }: Formats,
  errors: RequestErrors,
): Promise<CreatedToken | undefined> {
  if ((format ?? defaultFormat) === 'opaque' || signer === undefined) {
    const token = newToken();
    return { token, id: tokenId(token), recorded: true, grant };
  }
  const jti = randomBytes(16).toString('base64url');
  const signed = { ...grant, signedUntil: latestEndOf(grant) };
  const token = await signer.sign(jti, signed, revocable);
  if (token.length > MAX_JWT_LENGTH) {
    const detail = `must be opaque, or the texts shorter: as a JWT it would have ${token.length} characters, and at most ${MAX_JWT_LENGTH} fit`;
    return errors.add('format', detail);
  }
  return { token, id: jwtId(signer.issuer, jti), recorded: revocable, grant: signed };
}

/**
 * The path and query of the URL for a token.
 *
 * The URL of a file has the token in the query. The URL of a folder has it as a path segment, so that
 * relative links inherit it. If the mount reads the path from an argument, that argument comes last,
 * and the client appends the rest of the path to it.
 */
function urlFor(mount: Mount, covers: string, token: string): string {
  const rest = covers.slice(mount.prefix.length);
  const base = encodePath(mount.prefix);
  const { pathArgument } = mount;
  if (pathArgument !== undefined) {
    return `${base}?token=${token}&${pathArgument}=${encodePath(rest)}`;
  }
  return isFolder(covers)
    ? `${base}~${token}/${encodePath(rest)}`
    : `${base}${encodePath(rest)}?token=${token}`;
}
