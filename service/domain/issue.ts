import { rangeFault } from './address.ts';
import { type Client, mayIssueFor } from './client.ts';
import { type Fault, Refused } from './errors.ts';
import { type Grant, isFolder } from './grant.ts';
import type { GrantRequest } from './grant-request.ts';
import { type Defaults, lifetimeOf } from './lifetime.ts';
import type { Mounts } from './mount.ts';
import { type Place, placeOf } from './place.ts';
import type { Entry, Store } from './store.ts';
import { targetFault } from './target.ts';
import { newToken, tokenId } from './token.ts';
import { urlFor } from './url.ts';

export interface Issued {
  readonly token: string;
  readonly id: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Path and query. */
  readonly url: string;
}

export interface IssueOptions extends Defaults {
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
    const issuedAt = now();
    const malformed: Fault[] = [];
    const beyond: Fault[] = [];
    const issued: Issued[] = [];
    const grants: Entry[] = [];

    for (const { at, request } of asked) {
      const place = placeOf(request, mounts, at, malformed);
      const { expiresIn, uses } = lifetimeOf(request, client, options, at, malformed);
      faultAddresses(request, at, malformed);
      if (place === undefined) continue;
      const { mount, covers } = place;
      faultCookie(request, place, at, malformed);
      faultReach(request, place, client, mounts, at, { malformed, beyond });
      const token = newToken();
      const id = tokenId(token);
      const times = { issuedAt, expiresAt: issuedAt + expiresIn * 1000 };
      const grant = grantOf(request, client, place);
      grants.push([id, { ...grant, ...times, ...(uses !== undefined && { uses }) }]);
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

function faultAddresses({ ip = [] }: GrantRequest, at: string, faults: Fault[]): void {
  for (const [i, range] of ip.entries()) {
    const detail = rangeFault(range);
    if (detail !== undefined) faults.push({ pointer: `${at}/ip/${i}`, detail });
  }
}

function faultCookie(
  { cookie }: GrantRequest,
  { field, mount }: Place,
  at: string,
  faults: Fault[],
): void {
  if (!cookie) return;
  const pointer = `${at}/cookie`;
  if (field === 'path')
    faults.push({ pointer, detail: 'needs a prefix: the cookie is for a folder' });
  if (mount.pathArgument !== undefined) {
    faults.push({
      pointer,
      detail: 'needs a mount whose paths stand in the URL, not in an argument',
    });
  }
}

/** What this client may not ask for: legal of itself, but `beyond` it. */
function faultReach(
  { target }: GrantRequest,
  { mount, site, covers, field }: Place,
  client: Client,
  mounts: Mounts,
  at: string,
  faults: { readonly malformed: Fault[]; readonly beyond: Fault[] },
): void {
  if (!mayIssueFor(client, site ?? mount.site, covers)) {
    const detail = 'is outside of what this client may issue for';
    faults.beyond.push({ pointer: `${at}/${field}`, detail });
  }
  const fault =
    target === undefined ? undefined : targetFault(target, isFolder(covers), client, mounts);
  if (fault === undefined) return;
  const { beyond, detail } = fault;
  (beyond ? faults.beyond : faults.malformed).push({ pointer: `${at}/target`, detail });
}

function grantOf(
  request: GrantRequest,
  client: Client,
  { mount, site, covers }: Place,
): Omit<Grant, 'issuedAt' | 'expiresAt'> {
  const { subject, target, filename, disposition, limit_rate: limitRate, ip, cookie } = request;
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
    ...(ip !== undefined && { ip }),
    ...(cookie && { cookie }),
  };
}
