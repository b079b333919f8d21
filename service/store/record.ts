import type { Grant, KnownRequester, Uses } from '../domain/grant.ts';
import { KEPT_FIELDS } from '../domain/grant-fields.ts';

/** The layout below; raised when an older program could misread what a newer one wrote. */
const VERSION = 2;

/**
 * One letter a field: a grant is kept once for each token, and there may be millions. The letters of
 * the fields that a grant keeps as they were asked for are in domain/grant-fields.ts.
 */
interface Fields {
  v: number;
  c: string;
  m: string;
  p: string;
  i: number;
  x: number;
  /** Of a JWT: until when it is signed, and whether by someone else. */
  j?: number;
  y?: 1;
  /** Of its uses: the most, seconds to resume, and whether only cookies count. */
  n?: number;
  o?: number;
  b?: 1;
  /** By Redis' clock, from the first use on: until when a new requester is admitted. */
  a?: number;
  /** That there was a use. */
  q?: 1;
}

/** A grant as it is stored: JSON, with the version of its layout. */
export function encodeRecord(grant: Grant): string {
  const { uses } = grant;
  const record: Fields & Record<string, unknown> = {
    v: VERSION,
    c: grant.client,
    m: grant.mount,
    p: grant.covers,
    i: grant.issuedAt,
    x: grant.expiresAt,
  };
  for (const { property, record: key, isFlag } of KEPT_FIELDS) {
    if (grant[property] !== undefined) record[key] = isFlag ? 1 : grant[property];
  }
  if (grant.signedUntil !== undefined) record.j = grant.signedUntil;
  if (grant.foreign) record.y = 1;
  if (uses !== undefined) {
    if (uses.max !== undefined) record.n = uses.max;
    record.o = uses.resumeFor;
    if (uses.cookieOnly) record.b = 1;
  }
  return JSON.stringify(record);
}

const LACKING = 'a record that lacks a field';

/** In the place of a record: what others signed, and what was revoked. */
export const REVOKED = JSON.stringify({ v: VERSION, z: 1 });

/** Throws where the text is no record of this version: then nothing is known of the token. */
export function decodeRecord(record: string): Grant | 'revoked' {
  if (record === REVOKED) return 'revoked';
  const fields = fieldsOf(record);
  const { v, c, m, p, i, x, j, y } = fields;
  if (v !== VERSION) throw new Error(`a record of layout ${v}, not ${VERSION}`);
  const whole = [c, m, p].every((value) => typeof value === 'string') && i > 0 && x > 0;
  if (!whole) throw new Error(LACKING);
  const uses = decodeUses(fields);
  const grant: Grant = {
    client: c,
    mount: m,
    covers: p,
    issuedAt: i,
    expiresAt: x,
    ...(uses !== undefined && { uses }),
    ...(j !== undefined && { signedUntil: j }),
    ...(y !== undefined && { foreign: true }),
  };
  // Added to the object as it is: to spread them would take six times as long.
  const kept = grant as unknown as Record<string, unknown>;
  for (const { property, record: key, isFlag } of KEPT_FIELDS) {
    const value = fields[key];
    if (value !== undefined) kept[property] = isFlag ? true : value;
  }
  return grant;
}

/** The parser's own error would quote the record. */
function fieldsOf(record: string): Fields & Record<string, unknown> {
  try {
    return JSON.parse(record) ?? {};
  } catch {
    throw new Error('a record that is not JSON');
  }
}

function decodeUses({ n, o, b, a, q }: Fields): Uses | undefined {
  if (o === undefined) {
    // Without it the requesters of a counted grant would not be told apart.
    if ([n, b, a, q].some((value) => value !== undefined)) throw new Error(LACKING);
    return undefined;
  }
  if (!isCount(o, 0) || !(n === undefined || isCount(n, 1))) throw new Error(LACKING);
  return {
    ...(n !== undefined && { max: n }),
    resumeFor: o,
    ...(b !== undefined && { cookieOnly: true }),
  };
}

function isCount(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

/** The hash of a grant's requesters, whose layout scripts.ts has. */
export function decodeRequesters(hash: Readonly<Record<string, string>>): KnownRequester[] {
  const places = Object.keys(hash).filter((name) => name.startsWith('s'));
  places.sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
  return places.map((place) => {
    const [began = '', cookie = '', address = ''] = hash[place]?.split(' ') ?? [];
    return { began: Number(began), cookie, ...(address !== '' && { address }) };
  });
}
