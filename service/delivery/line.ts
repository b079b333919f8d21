import type { Delivery } from '../token/delivery.ts';

/** A response, or a part of one, that nginx sent. It has no range if it is empty or has several, which nginx omits. */
type SentLine = Omit<Delivery, 'first' | 'last'> & { readonly id: string };

/** A longer datagram does not have the format below. A host name in the header may have 255 bytes. */
export const MAX_LINE_BYTES = 512;

/** The format `postern_delivery` of http.conf: ID, status, bytes, Content-Length, Content-Range. 15 digits are exact. */
const LINE =
  /^([A-Za-z0-9_-]{22}) (200|206) (\d{1,15}) (-|\d{1,15}) (?:-|bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}))(?: (?:bytes=(\d{1,15})-(\d{1,15}))? (?:bytes=(\d{1,15})-\d{1,15})?)?$/;

/** The line of a slice (inner.conf): the first slice of its response, and the slice. All before it have been sent. */
const SLICE =
  /^([A-Za-z0-9_-]{22}) [^=]* slice bytes=(\d{1,15})-(\d{1,15}) bytes=(\d{1,15})-\d{1,15}$/;

/** Parses the syslog line of a response; undefined if it is not exactly of this form. */
export function parseLine(line: string): SentLine | undefined {
  // `<190>Nov 26 12:00:00 host nginx: `, then the format, which contains no colon.
  const text = line.slice(line.lastIndexOf(': ') + 2);
  const [, id, status, sent, length, from, to, total, ...slices] = LINE.exec(text) ?? [];
  if (id === undefined) return parseSlice(text);
  const requests = 1;
  if (from === undefined && (status === '206' || length === '-')) {
    return { id, requests, bytes: Number(sent), ranges: [] };
  }
  const size = Number(total ?? length);
  const [first, last] = from === undefined ? [0, size - 1] : [Number(from), Number(to)];
  if (from !== undefined && (status !== '206' || first > last || last >= size)) return undefined;
  const all = Math.min(Number(sent), last - first + 1);
  const counted = bytesOfSlices(slices, all === last - first + 1 ? last : undefined);
  const bytes = Math.max(0, all - counted);
  return { id, requests, bytes, size, ranges: all > 0 ? [[first, first + all]] : [] };
}

function parseSlice(text: string): SentLine | undefined {
  const [, id, first, to, from] = SLICE.exec(text) ?? [];
  if (id === undefined) return undefined;
  const isLater = Number(from) > Number(first);
  const bytes = isLater ? Math.max(0, Number(to) - Number(first) + 1) : 0;
  return { id, requests: 0, bytes, ranges: [] };
}

/** What the lines of slices have counted of a response. In a complete one, the last slice has its last byte: `until`. */
function bytesOfSlices(
  [first, end, last]: readonly (string | undefined)[],
  until: number | undefined,
) {
  if (first === undefined) return 0;
  const size = Math.max(1, Number(end) - Number(first) + 1);
  const from = until === undefined ? Number(last ?? first) : Math.floor(until / size) * size;
  return Math.max(0, from - Number(first));
}
