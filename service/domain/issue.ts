import { type Client, expiryFault, mayIssueFor } from './client.ts';
import { type Fault, Refused } from './errors.ts';
import { type Disposition, type Grant, isFolder } from './grant.ts';
import type { Mount, Mounts } from './mount.ts';
import { pathFault, prefixFault } from './path.ts';
import { tokenSegment } from './request-uri.ts';
import type { Store } from './store.ts';
import { targetFault } from './target.ts';
import { newToken, tokenId } from './token.ts';
import { urlFor } from './url.ts';

/** What a client asks for. Field names as on the wire; types and lengths already checked. */
export interface GrantRequest {
  readonly path?: string | undefined;
  readonly prefix?: string | undefined;
  readonly site?: string | undefined;
  /** Seconds. */
  readonly expires_in?: number | undefined;
  readonly subject?: string | undefined;
  readonly target?: string | undefined;
  readonly filename?: string | undefined;
  readonly disposition?: Disposition | undefined;
  readonly limit_rate?: number | undefined;
}

export interface Issued {
  readonly token: string;
  readonly id: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Path and query. */
  readonly url: string;
}

export interface IssueOptions {
  readonly mounts: Mounts;
  readonly store: Store;
  /** Seconds, where a request names none. */
  readonly expiresIn: number;
  readonly now: () => number;
}

/** `at` points into the body: empty for a single request, `/3` for the fourth of an array. */
type Asked = ReadonlyArray<{ readonly at: string; readonly request: GrantRequest }>;

export type Issue = (client: Client, asked: Asked) => Promise<readonly Issued[]>;

/** Issues tokens, all or none, in one round trip to the store. */
export function createIssue(options: IssueOptions): Issue {
  const { mounts, store, now } = options;
  return async function issue(client, asked) {
    const issuedAt = now();
    const malformed: Fault[] = [];
    const beyond: Fault[] = [];
    const issued: Issued[] = [];
    const grants: Array<[string, Grant]> = [];

    for (const { at, request } of asked) {
      const place = placeOf(request, mounts, at, malformed);
      const expiresIn = request.expires_in ?? Math.min(options.expiresIn, client.maxExpiresIn);
      const tooLong = expiryFault(client, expiresIn);
      if (tooLong !== undefined) malformed.push({ pointer: `${at}/expires_in`, detail: tooLong });
      if (place === undefined) continue;
      const { mount, site, covers, field } = place;
      if (!mayIssueFor(client, site ?? mount.site, covers)) {
        const detail = 'is outside of what this client may issue for';
        beyond.push({ pointer: `${at}/${field}`, detail });
      }
      if (request.target !== undefined) {
        const fault = targetFault(request.target, isFolder(covers), client, mounts);
        if (fault !== undefined) {
          (fault.beyond ? beyond : malformed).push({
            pointer: `${at}/target`,
            detail: fault.detail,
          });
        }
      }
      const token = newToken();
      const id = tokenId(token);
      const expiresAt = issuedAt + expiresIn * 1000;
      grants.push([id, toGrant(request, client, place, issuedAt, expiresAt)]);
      issued.push({ token, id, expiresIn, url: urlFor(mount, covers, token) });
    }

    if (malformed.length > 0) {
      throw new Refused('invalid_request', 'No token was issued: the request is not valid.', [
        ...malformed,
        ...beyond,
      ]);
    }
    if (beyond.length > 0) {
      throw new Refused('insufficient_scope', 'No token was issued: not for this client.', beyond);
    }
    await store.issue(grants);
    return issued;
  };
}

interface Place {
  readonly mount: Mount;
  /** Only set where the mount itself serves every site. */
  readonly site?: string;
  readonly covers: string;
  readonly field: 'path' | 'prefix';
}

/** Finds the mount of a request, or adds what is wrong with it to `faults`. */
function placeOf(
  request: GrantRequest,
  mounts: Mounts,
  at: string,
  faults: Fault[],
): Place | undefined {
  const { path, prefix } = request;
  if ((path === undefined) === (prefix === undefined)) {
    faults.push({ pointer: at, detail: 'must have exactly one of path and prefix' });
    return undefined;
  }
  const field = path === undefined ? 'prefix' : 'path';
  const covers = (path ?? prefix) as string;
  const fault = path === undefined ? prefixFault(covers) : pathFault(covers);
  if (fault !== undefined) {
    faults.push({ pointer: `${at}/${field}`, detail: fault });
    return undefined;
  }
  const site = request.site?.toLowerCase();
  const mount = mountFor(mounts, site, covers);
  if (mount === 'ambiguous') {
    faults.push({ pointer: `${at}/site`, detail: 'must name the site: several have this prefix' });
    return undefined;
  }
  if (mount === undefined) {
    faults.push({ pointer: `${at}/${field}`, detail: 'must lie under the prefix of a mount' });
    return undefined;
  }
  if (tokenSegment(covers, mount.prefix) !== undefined) {
    faults.push({
      pointer: `${at}/${field}`,
      detail: 'must not begin with what looks like a token',
    });
    return undefined;
  }
  return {
    mount,
    covers,
    field,
    ...(site !== undefined && mount.site === undefined && { site }),
  };
}

function mountFor(
  mounts: Mounts,
  site: string | undefined,
  path: string,
): Mount | 'ambiguous' | undefined {
  if (site !== undefined) return mounts.find(site, path);
  const over = mounts.over(path);
  const longest = over.filter((mount) => mount.prefix.length === over[0]?.prefix.length);
  const everywhere = longest.find((mount) => mount.site === undefined);
  if (everywhere !== undefined || longest.length <= 1) return everywhere ?? longest[0];
  return 'ambiguous';
}

function toGrant(
  request: GrantRequest,
  client: Client,
  { mount, site, covers }: Place,
  issuedAt: number,
  expiresAt: number,
): Grant {
  const { subject, target, filename, disposition, limit_rate: limitRate } = request;
  return {
    client: client.id,
    mount: mount.id,
    ...(site !== undefined && { site }),
    covers,
    ...(subject !== undefined && { subject }),
    ...(target !== undefined && { target }),
    ...(filename !== undefined && { filename }),
    ...(disposition !== undefined && { disposition }),
    ...(limitRate !== undefined && { limitRate }),
    issuedAt,
    expiresAt,
  };
}
