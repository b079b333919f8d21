import type { Delivery } from '../token/delivery.ts';

/**
 * A response that nginx has sent, or a part of one. It has no range if nothing was sent, or if the response has several
 * ranges, which nginx does not report.
 */
type SentLine = Omit<Delivery, 'first' | 'last'> & { readonly id: string };

/** A longer datagram does not have the format below. A host name in the header may have 255 bytes. */
export const MAX_LINE_BYTES = 512;

/**
 * The format `postern_delivery` of http.conf: the token ID, the status, the bytes of the body that were
 * sent, Content-Length and Content-Range. All numbers are below 10^15, and so are exact.
 */
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

/**
 * What the lines of its slices have counted of a response, from the first slice to the last one. In a complete response,
 * the last one has its last byte: `until`.
 */
function bytesOfSlices(
  [first, end, last]: readonly (string | undefined)[],
  until: number | undefined,
) {
  if (first === undefined) return 0;
  const size = Math.max(1, Number(end) - Number(first) + 1);
  const from = until === undefined ? Number(last ?? first) : Math.floor(until / size) * size;
  return Math.max(0, from - Number(first));
}
