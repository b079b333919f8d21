import type { Mount, Mounts } from '../paths/mount.ts';
import { encodePath, encodingHint } from '../paths/path.ts';
import { inPieces } from '../pieces.ts';
import type { Client } from '../token/client.ts';
import { isFolder, latestEndOf } from '../token/grant.ts';
import type { GrantRequest } from '../token/grant-fields.ts';
import { FieldErrors, MAX_ERRORS, RequestError } from '../token/request-error.ts';
import type { Entry, Store } from '../token/store.ts';
import { jwtId, MAX_JWT_LENGTH, newToken, randomText, tokenId } from '../token/token.ts';
import { pinHmac } from '../token/uses.ts';
import {
  checkRequested,
  type Defaults,
  type PreparedGrant,
  prepareGrant,
  type Requestable,
} from './rules.ts';

export interface IssueOptions extends Defaults, Requestable {
  readonly mounts: Mounts;
  readonly store: Store;
}

export interface Issued {
  readonly token: string;
  readonly id: string;
  readonly expiresIn: number;
  readonly url: string;
  /** The URL of a grant with `cookie`: its relative links have no token, so that a browser uses the cookie. */
  readonly cookieUrl?: string;
  /** A probable mistake of the client. */
  readonly warning?: string;
}

export type Requests = ReadonlyArray<{
  /** JSON pointer into the body: empty for a single request, `/3` for the fourth of a batch. */
  readonly at: string;
  readonly request: GrantRequest;
  /** Its length in the body. */
  readonly bytes?: number | undefined;
}>;

type Prepared = PreparedGrant & Requests[number];

interface Created {
  readonly token: Issued;
  readonly bytes?: number | undefined;
  readonly entry?: Entry;
}

export type Issue = ReturnType<typeof createIssue>;

/** Issues tokens. A client gets all of them, or none if the store does not save them all. */
export function createIssue(options: IssueOptions) {
  const { mounts, store, now } = options;

  /** @throws RequestError, Unavailable */
  return async function issue(client: Client, requests: Requests) {
    // A single request takes less than a turn.
    const eachPiece = async <T extends Pick<Requests[number], 'bytes'>>(
      items: readonly T[],
      work: (piece: readonly T[]) => unknown,
    ) => {
      if (requests.length > 1) await inPieces(items, work, ({ bytes = 0 }) => bytes);
      else if (items.length > 0) await work(items);
    };
    const errors = new FieldErrors();
    const prepared: Prepared[] = [];
    await eachPiece(requests, (piece) => {
      for (const one of piece) {
        const ready = prepare(client, one, errors.at(one.at));
        if (ready !== undefined) prepared.push(ready);
      }
      if (errors.all.length >= MAX_ERRORS) refuse(errors);
    });
    refuse(errors);

    const issuedAt = now();
    const created: Created[] = [];
    await eachPiece(prepared, async (piece) => {
      // Concurrently: signing runs outside of the event loop.
      const done = await Promise.all(piece.map((one) => create(one, issuedAt, errors)));
      created.push(...done.filter((one) => one !== undefined));
      if (errors.malformed.length >= MAX_ERRORS) refuse(errors);
    });
    refuse(errors);
    const kept = created.flatMap(({ entry, bytes }) => (entry ? [{ entry, bytes }] : []));
    // One by one, because Redis, too, handles no other command before it has saved a piece.
    await eachPiece(kept, (piece) => store.issue(piece.map(({ entry }) => entry)));
    return created.map(({ token }) => token);
  };

  function prepare(client: Client, asked: Requests[number], errors: FieldErrors) {
    const { request } = asked;
    const prepared = prepareGrant(request, { client, mounts, defaults: options, errors });
    checkRequested(request, prepared, options, errors);
    return prepared && { ...asked, ...prepared };
  }

  /** A token, and what the store keeps of it; undefined, with an error, if it would be too long. */
  async function create(
    { at, request, bytes, grant: prepared, mount, expiresIn }: Prepared,
    issuedAt: number,
    errors: FieldErrors,
  ): Promise<Created | undefined> {
    const { covers } = prepared;
    const { format = options.format, revocable = true, pin } = request;
    const signer = format === 'jwt' ? options.signer : undefined;
    const times = { issuedAt, expiresAt: issuedAt + expiresIn * 1000 };
    const plain = { ...prepared, ...times };
    const grant = signer ? { ...plain, signedUntil: latestEndOf(plain) } : plain;
    const jti = signer ? randomText(16) : '';
    const token = signer ? await signer.sign(jti, grant, revocable) : newToken();
    if (token.length > MAX_JWT_LENGTH) {
      const why = `the JWT would have ${token.length} characters, and the maximum is ${MAX_JWT_LENGTH}`;
      const detail = `must be opaque, or the texts must be shorter: ${why}`;
      return errors.at(at).add('format', detail);
    }
    const id = signer ? jwtId(signer.issuer, jti) : tokenId(token);
    const url = urlFor(mount, covers, token);
    const cookieUrl = grant.cookie && `${encodePath(covers)}?token=${token}`;
    const warning = encodingHint(covers);
    const more = { ...(cookieUrl && { cookieUrl }), ...(warning && { warning }) };
    return {
      token: { token, id, expiresIn, url, ...more },
      bytes,
      ...((!signer || revocable) && {
        entry: [id, pin === undefined ? grant : { ...grant, pinHmac: pinHmac(token, pin) }],
      }),
    };
  }
}

export const NOT_ISSUED = 'No token was issued: the request is not valid.';

function refuse({ malformed, forbidden, all }: FieldErrors): void {
  if (malformed.length > 0) throw new RequestError('invalid_request', NOT_ISSUED, all);
  if (forbidden.length > 0) {
    const detail = 'No token was issued: not allowed for this client.';
    throw new RequestError('insufficient_scope', detail, forbidden);
  }
}

/**
 * The path and query of a token's URL. For a file, the token is in the query, for a folder in a path segment, which
 * relative links inherit. An argument with the path comes last, so that the client can append the rest.
 */
function urlFor(mount: Mount, covers: string, token: string): string {
  const { prefix, pathArgument } = mount;
  const base = encodePath(prefix);
  const rest = encodePath(covers.slice(prefix.length));
  if (pathArgument !== undefined) return `${base}?token=${token}&${pathArgument}=${rest}`;
  return isFolder(covers) ? `${base}~${token}/${rest}` : `${base}${rest}?token=${token}`;
}
