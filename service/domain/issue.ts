import { type AskedGrant, askedGrant } from './asked-grant.ts';
import type { Client } from './client.ts';
import { type Faults, MAX_FAULTS, Refused } from './errors.ts';
import { type Formats, faultFormat, mint } from './format.ts';
import type { GrantRequest } from './grant-fields.ts';
import { inPieces } from './in-pieces.ts';
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
