import { type AskedGrant, askedGrant } from './asked-grant.ts';
import type { Client } from './client.ts';
import { type Faults, Refused } from './errors.ts';
import { type Formats, faultFormat, mint } from './format.ts';
import type { GrantRequest } from './grant-fields.ts';
import type { Defaults } from './lifetime.ts';
import type { Mounts } from './mount.ts';
import type { Entry, Store } from './store.ts';
import { urlFor } from './url.ts';

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
    for (const { at, request } of asked) {
      const one = askedGrant(request, client, { mounts, defaults: options }, at, faults);
      faultFormat(request, options, one?.grant ?? {}, at, faults.malformed);
      if (one !== undefined) wanted.push({ ...one, at, request });
    }
    refuse(faults);

    const issuedAt = now();
    const entries: Entry[] = [];
    const issued: Issued[] = [];
    for (const { at, grant, place, expiresIn, request } of wanted) {
      const times = { issuedAt, expiresAt: issuedAt + expiresIn * 1000 };
      const minted = await mint({ ...grant, ...times }, request, options, at, faults.malformed);
      if (minted === undefined) continue;
      const { token, id } = minted;
      if (minted.recorded) entries.push([id, minted.grant]);
      issued.push({ token, id, expiresIn, url: urlFor(place.mount, place.covers, token) });
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
