import type { ByteRange } from '../domain/delivery.ts';

/** A response that nginx has sent, or a part of one. */
export interface SentLine {
  readonly id: string;
  /** Of the body. */
  readonly bytes: number;
  /** The size of the file; absent: unknown. */
  readonly size?: number;
  /** Absent: nothing was sent, or several ranges in one response, which nginx does not report. */
  readonly range?: ByteRange;
}

/** A longer datagram is not from the format below. A host name in the header may have 255 bytes. */
export const MAX_LINE_BYTES = 512;

/**
 * The format `postern_delivery` of http.conf: the token ID, the status, the bytes of the body that were
 * sent, Content-Length and Content-Range. All numbers are below 10^15, and so are exact.
 */
const LINE =
  /^([A-Za-z0-9_-]{22}) (200|206) (\d{1,15}) (-|\d{1,15}) (?:-|bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}))$/;

/** Parses the syslog line of a response; undefined if it is not exactly of this form. */
export function parseLine(line: string): SentLine | undefined {
  // `<190>Nov 26 12:00:00 host nginx: `, then the format, which contains no colon.
  const [, id, status, sent, length, from, to, total] =
    LINE.exec(line.slice(line.lastIndexOf(': ') + 2)) ?? [];
  if (id === undefined) return undefined;
  const bytes = Number(sent);
  if (from !== undefined) {
    const [first, last, size] = [Number(from), Number(to), Number(total)];
    if (status !== '206' || first > last || last >= size) return undefined;
    return part(id, first, Math.min(bytes, last - first + 1), size);
  }
  if (status === '206' || length === '-') return { id, bytes };
  const size = Number(length);
  return part(id, 0, Math.min(bytes, size), size);
}

function part(id: string, from: number, bytes: number, size: number): SentLine {
  return { id, bytes, size, ...(bytes > 0 && { range: [from, from + bytes] as const }) };
}
