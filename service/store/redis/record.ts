import { type Grant, KEPT_FIELDS, type Uses } from '../../token/grant.ts';
import { type Selection, StoreUnavailable } from '../../token/store.ts';
import { unexpected } from '../connection/failure.ts';
import { slotOf } from '../connection/ioredis.ts';

/** The keys of the grants. The braces delimit each name and keep related keys in one cluster slot. */
export function createKeys(prefix: string) {
  const ofClient = (client: string) => `${prefix}client:{${client}}`;
  const ofSubject = (client: string, subject: string) => `${prefix}subject:{${client}:${subject}}`;
  // Paths with the same checksum share an index: an index for each path would need as much memory as a grant.
  const ofPath = (client: string, path: string) => `${prefix}path:{${client}:${slotOf(path)}}`;

  return {
    grant: (id: string) => `${prefix}grant:{${id}}`,

    /** The time before which the external tokens of a subject are revoked. */
    signed: (subjectId: string) => `${prefix}signed:{${subjectId}}`,

    /** The external tokens that a client has revoked without an end. */
    endless: (client: string) => `${prefix}endless:{${client}}`,

    /** The requesters of a grant. */
    uses: (id: string) => `${prefix}uses:{${id}}`,

    /** All indexes of a grant: sorted sets of token IDs by their end. */
    indexes({ client, covers, subject }: Pick<Grant, 'client' | 'covers' | 'subject'>): string[] {
      const indexes = [ofClient(client), ofPath(client, covers)];
      return subject === undefined ? indexes : [...indexes, ofSubject(client, subject)];
    },

    /** The index that has all grants of a selection. */
    index(client: string, { subject, covers }: Selection): string {
      if (subject !== undefined) return ofSubject(client, subject);
      return covers === undefined ? ofClient(client) : ofPath(client, covers);
    },

    /** Where a revocation moves an index. */
    ending: (index: string) => `${index}:revoked`,
  };
}

/** Version of the layout. Raise it when another version of Postern could misread a record. */
const VERSION = 1;

/** Keys have one letter: there may be millions of records. grant-fields.ts has those of fields kept as requested. */
interface Fields {
  v: number;
  /** The start of the token ID. */
  K: string;
  c: string;
  m: string;
  p: string;
  i: number;
  x: number;
  /** JWT: until when it is signed, and whether by another issuer. */
  j?: number;
  y?: 1;
  /** Seconds for which a download may run. */
  D?: number;
  /** Uses: the maximum, seconds to resume, and whether only cookies identify a requester. */
  n?: number;
  o?: number;
  b?: 1;
  /** HMAC of the PIN; and the attempts to enter it, set by the first one. */
  P?: string;
  A?: number;
  /** Set when `max_bytes` were sent. */
  E?: 1;
  /** Set by the first use: until when a new requester is admitted, by Redis' clock. */
  a?: number;
  /** Set by the first use. */
  q?: 1;
}

/** What a record has of the ID of its token. A proxy may shift replies, but nobody can choose the ID. */
const startOf = (id: string) => id.slice(0, 8);

export function encodeRecord(id: string, grant: Grant): string {
  const { uses } = grant;
  const record: Fields & Record<string, unknown> = {
    v: VERSION,
    K: startOf(id),
    c: grant.client,
    m: grant.mount,
    p: grant.covers,
    i: grant.issuedAt,
    x: grant.expiresAt,
  };
  for (const { property, record: key, isFlag } of KEPT_FIELDS) {
    if (grant[property] !== undefined) record[key] = isFlag ? 1 : grant[property];
  }
  if (grant.downloadTime !== undefined) record.D = grant.downloadTime;
  if (grant.signedUntil !== undefined) record.j = grant.signedUntil;
  if (grant.external) record.y = 1;
  if (grant.pinHmac !== undefined) record.P = grant.pinHmac;
  if (uses !== undefined) {
    if (uses.max !== undefined) record.n = uses.max;
    record.o = uses.resumeFor;
    if (uses.cookieOnly) record.b = 1;
  }
  return JSON.stringify(record);
}

/** Replaces the record of an external token that is revoked. */
export const REVOKED = JSON.stringify({ v: VERSION, z: 1 });

/**
 * @throws StoreUnavailable if the text is not a record of this version, so that the token cannot be checked, or is that
 *   of another token: then the reply belongs to another command
 */
export function decodeRecord(id: string, record: string): Grant | 'revoked' {
  if (record === REVOKED) return 'revoked';
  const fields = fieldsOf(record);
  const { v, K, c, m, p, i, x, j, y, D, E, P: pinHmac } = fields;
  if (v !== VERSION) throw unreadable('of another layout');

  const isConfirm = fields.h === 1 && fields.o !== undefined;
  const isWhole =
    [K, c, m, p].every((value) => typeof value === 'string') &&
    i > 0 &&
    x > 0 &&
    [fields.N, D].every((value) => value === undefined || isCount(value, 1)) &&
    (fields.h === undefined || isConfirm) &&
    (pinHmac === undefined || (isConfirm && typeof pinHmac === 'string'));
  if (!isWhole) throw unreadable(LACKING);
  if (K !== startOf(id)) throw unexpected();
  const uses = decodeUses(fields);
  const grant: Grant = {
    client: c,
    mount: m,
    covers: p,
    issuedAt: i,
    expiresAt: x,
    ...(uses !== undefined && { uses }),
    ...(D !== undefined && { downloadTime: D }),
    ...(j !== undefined && { signedUntil: j }),
    ...(y !== undefined && { external: true }),
    ...(E !== undefined && { exhausted: true }),
    ...(pinHmac !== undefined && { pinHmac }),
  };
  // Assigned one by one: a spread takes six times as long.
  const kept = grant as unknown as Record<string, unknown>;
  for (const { property, record: key, isFlag } of KEPT_FIELDS) {
    const value = fields[key];
    if (value !== undefined) kept[property] = isFlag ? true : value;
  }
  return grant;
}

/** Replaces the parser's error, which would quote the record. */
function fieldsOf(record: string): Fields & Record<string, unknown> {
  try {
    return JSON.parse(record) ?? {};
  } catch {
    throw unreadable('that is not JSON');
  }
}

function decodeUses({ n, o, b, a, q }: Fields): Uses | undefined {
  if (o === undefined) {
    // The requesters of a counted grant would not be counted if `o` was missing.
    if ([n, b, a, q].some((value) => value !== undefined)) throw unreadable(LACKING);
    return undefined;
  }
  if (!isCount(o, 0) || !(n === undefined || isCount(n, 1))) throw unreadable(LACKING);
  return {
    ...(n !== undefined && { max: n }),
    resumeFor: o,
    ...(b !== undefined && { cookieOnly: true }),
  };
}

function isCount(value: unknown, min: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min;
}

const LACKING = 'that lacks a field';

function unreadable(why: string): StoreUnavailable {
  return new StoreUnavailable(`Redis holds a record ${why}`);
}
