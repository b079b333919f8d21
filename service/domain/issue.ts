import { randomBytes } from 'node:crypto';
import type { Client } from './client.ts';
import { type Fault, type Faults, MAX_FAULTS, Refused } from './errors.ts';
import { type Grant, isFolder } from './grant.ts';
import type { GrantRequest } from './grant-fields.ts';
import { type AskedGrant, askedGrant, type Defaults } from './grant-request.ts';
import type { Signer } from './look-up.ts';
import type { Mount, Mounts } from './mount.ts';
import { encodePath } from './path.ts';
import type { Entry, Store } from './store.ts';
import { jwtId, MAX_JWT_LENGTH, newToken, tokenId } from './token.ts';
import { inPieces } from './turns.ts';

export interface Issued {
  readonly token: string;
  readonly id: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Path and query. */
  readonly url: string;
}

export interface IssueOptions extends Defaults, Formats {
  readonly mounts: Mounts;
  readonly store: Store;
  readonly now: () => number;
}

/** `at` points into the body: empty for a single request, `/3` for the fourth of an array. */
type Asked = ReadonlyArray<{ readonly at: string; readonly request: GrantRequest }>;

export type Issue = (client: Client, asked: Asked) => Promise<readonly Issued[]>;

/** Issues tokens, all or none, in one round trip to the store. */
export function createIssue(options: IssueOptions): Issue {
  const { mounts, store, now } = options;
  return async function issue(client, asked) {
    const faults: Faults = { malformed: [], beyond: [] };
    const wanted: Array<AskedGrant & Asked[number]> = [];
    for await (const piece of inPieces(asked)) {
      for (const { at, request } of piece) {
        const one = askedGrant(request, client, { mounts, defaults: options }, at, faults);
        faultFormat(request, options, one?.grant ?? {}, at, faults.malformed);
        if (one !== undefined) wanted.push({ ...one, at, request });
      }
      if (faults.malformed.length + faults.beyond.length >= MAX_FAULTS) break;
    }
    refuse(faults);

    const issuedAt = now();
    const entries: Entry[] = [];
    const issued: Issued[] = [];
    for await (const piece of inPieces(wanted)) {
      // Together: a signature is made outside of the event loop.
      const minted = await Promise.all(
        piece.map(({ at, grant, expiresIn, request }) => {
          const times = { issuedAt, expiresAt: issuedAt + expiresIn * 1000 };
          return mint({ ...grant, ...times }, request, options, at, faults.malformed);
        }),
      );
      for (const [i, { place, expiresIn }] of piece.entries()) {
        const one = minted[i];
        if (one === undefined) continue;
        const { token, id, grant, recorded } = one;
        if (recorded) entries.push([id, grant]);
        issued.push({ token, id, expiresIn, url: urlFor(place.mount, place.covers, token) });
      }
      if (faults.malformed.length >= MAX_FAULTS) break;
    }
    refuse(faults);
    if (entries.length > 0) await store.issue(entries);
    return issued;
  };
}

function refuse({ malformed, beyond }: Faults): void {
  if (malformed.length > 0) {
    const detail = 'No token was issued: the request is not valid.';
    throw new Refused('invalid_request', detail, [...malformed, ...beyond]);
  }
  if (beyond.length > 0) {
    throw new Refused('insufficient_scope', 'No token was issued: not for this client.', beyond);
  }
}

export type Format = 'opaque' | 'jwt';

export interface Formats {
  /** Where a request names none. */
  readonly format: Format;
  /** Absent: no key is configured. */
  readonly signer?: Signer;
}

export interface Token {
  readonly token: string;
  readonly id: string;
  /** Whether it is kept in the store. */
  readonly recorded: boolean;
  readonly grant: Grant;
}

/** What forbids a format goes to `faults`. */
export function faultFormat(
  { format, revocable, target_args: targetArgs }: GrantRequest,
  { format: usual, signer }: Formats,
  { uses }: Pick<Grant, 'uses'>,
  at: string,
  faults: Fault[],
): void {
  if (format === 'jwt' && signer === undefined) {
    faults.push({
      pointer: `${at}/format`,
      detail: 'must be opaque: no key to sign with is configured',
    });
  }
  if (targetArgs !== undefined && (format ?? usual) === 'jwt') {
    faults.push({
      pointer: `${at}/target_args`,
      detail: 'needs the format opaque: whoever has a JWT could read it',
    });
  }
  if (revocable !== false) return;
  const pointer = `${at}/revocable`;
  if ((format ?? usual) !== 'jwt') {
    faults.push({
      pointer,
      detail: 'must be true, or format must be jwt: an opaque token is what is stored',
    });
  }
  if (uses !== undefined) {
    const detail = 'must be true with max_uses or resume_for: uses are counted in the store';
    faults.push({ pointer, detail });
  }
}

/** A new token for a grant; undefined, with a fault, if it would be too long to be one. */
export async function mint(
  grant: Grant,
  { format, revocable = true }: GrantRequest,
  { format: usual, signer }: Formats,
  at: string,
  faults: Fault[],
): Promise<Token | undefined> {
  if ((format ?? usual) === 'opaque' || signer === undefined) {
    const token = newToken();
    return { token, id: tokenId(token), recorded: true, grant };
  }
  const jti = randomBytes(16).toString('base64url');
  const { expiresAt, uses } = grant;
  // Who starts at the last moment goes on for so long.
  const signed = { ...grant, signedUntil: expiresAt + (uses?.resumeFor ?? 0) * 1000 };
  const token = await signer.sign(jti, signed, revocable);
  if (token.length > MAX_JWT_LENGTH) {
    const detail = `must be opaque, or the texts shorter: as a JWT it would have ${token.length} characters, and at most ${MAX_JWT_LENGTH} fit`;
    faults.push({ pointer: `${at}/format`, detail });
    return undefined;
  }
  return { token, id: jwtId(signer.issuer, jti), recorded: revocable, grant: signed };
}

/**
 * The URL at which a token is used, as a path with its query.
 *
 * A file takes its token in the query. A folder takes it as a segment, so that relative links
 * inherit it; where the mount reads its path from an argument, that argument comes last and the
 * holder of the token appends the rest to it.
 */
export function urlFor(mount: Mount, covers: string, token: string): string {
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
