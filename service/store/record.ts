import type { Disposition, Grant } from '../domain/grant.ts';

/** The layout below; raised when an older program could misread what a newer one wrote. */
const VERSION = 1;

/** One letter a field: a grant is kept once for each token, and there may be millions. */
interface Fields {
  v: number;
  c: string;
  m: string;
  s?: string;
  p: string;
  u?: string;
  t?: string;
  f?: string;
  d?: Disposition;
  r?: number;
  i: number;
  /** A script in redis.ts changes this one. */
  x: number;
}

/** A grant as it is stored: JSON, with the version of its layout. */
export function encodeRecord(grant: Grant): string {
  const { client, mount, site, covers, subject, target, filename, disposition } = grant;
  return JSON.stringify({
    v: VERSION,
    c: client,
    m: mount,
    s: site,
    p: covers,
    u: subject,
    t: target,
    f: filename,
    d: disposition,
    r: grant.limitRate,
    i: grant.issuedAt,
    x: grant.expiresAt,
  });
}

/** Throws where the text is no record of this version: then nothing is known of the token. */
export function decodeRecord(record: string): Grant {
  const { v, c, m, s, p, u, t, f, d, r, i, x } = JSON.parse(record) as Fields;
  if (v !== VERSION) throw new Error(`a record of layout ${v}, not ${VERSION}`);
  const whole = [c, m, p].every((value) => typeof value === 'string') && i > 0 && x > 0;
  if (!whole) throw new Error('a record that lacks a field');
  return {
    client: c,
    mount: m,
    ...(s !== undefined && { site: s }),
    covers: p,
    ...(u !== undefined && { subject: u }),
    ...(t !== undefined && { target: t }),
    ...(f !== undefined && { filename: f }),
    ...(d !== undefined && { disposition: d }),
    ...(r !== undefined && { limitRate: r }),
    issuedAt: i,
    expiresAt: x,
  };
}
