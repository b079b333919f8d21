import type { Logger } from 'pino';
import { isWithin } from '../address.ts';
import { coalesce } from '../coalesce.ts';
import type { Emit } from '../events/event.ts';
import { inPieces } from '../pieces.ts';
import { perMinute } from '../rate-limit.ts';
import {
  type AddedDelivery,
  addDelivery,
  type Delivery,
  type DeliveryEntry,
} from '../token/delivery.ts';
import type { Store } from '../token/store.ts';
import { loggedGrant } from '../token/without-tokens.ts';

/** How long deliveries are collected before the store gets them. */
const COLLECT_MS = 200;

/** How long after a failure the store gets them again. */
const RETRY_MS = 1000;

/** Maximum number of tokens whose deliveries wait for the store: some megabytes. Those of more tokens are dropped. */
export const MAX_PENDING = 10_000;

/** `unknown`: no live grant has the token ID. `dropped`: it is not added, or may not be. */
export type DeliveryResult = 'added' | 'unknown' | 'invalid' | 'dropped';

type Deliver = Store['addDelivered'];

export interface CollectOptions {
  /** Addresses and ranges that may send deliveries. */
  readonly from: readonly string[];
  readonly deliver: Deliver;
  readonly countDeliveries: (result: DeliveryResult, count?: number) => void;
  readonly log: Logger;
  readonly now: () => number;
}

/**
 * Collects the deliveries that nginx sends over UDP, a line for each response, and adds them to the store
 * together. A delivery only changes counters. A forged one gives no access to a file, and gets no response.
 */
export function createCollector({ from, deliver, countDeliveries, log, now }: CollectOptions) {
  let pending = new Map<string, Delivery>();
  let timer: NodeJS.Timeout | undefined;
  let trusted: string | undefined;
  const lost = (reason: string) => log.error({ reason }, 'deliveries were dropped');
  const logDropped = {
    queue_full: perMinute(lost),
    no_response: perMinute(lost),
    shutdown: lost,
  };

  function dropped(reason: keyof typeof logDropped, count: number): void {
    if (count === 0) return;
    countDeliveries('dropped', count);
    logDropped[reason](reason);
  }

  /** Checking an address takes longer than parsing a line, and nearly all lines come from the same address. */
  function isTrusted(address: string): boolean {
    if (address === trusted) return true;
    if (!isWithin(address, from)) return false;
    trusted = address;
    return true;
  }

  function receive(data: Buffer, address: string): void {
    const isShort = data.length <= MAX_LINE_BYTES;
    const line = isShort && isTrusted(address) ? parseLine(data.toString('latin1')) : undefined;
    if (line === undefined) {
      countDeliveries('invalid');
      return;
    }
    const { id, ...sent } = line;
    const at = now();
    add(id, { ...sent, first: at, last: at });
    timer ??= setTimeout(flush, COLLECT_MS);
  }

  function add(id: string, delivery: Delivery): void {
    const before = pending.get(id);
    if (before === undefined && pending.size >= MAX_PENDING) {
      dropped('queue_full', delivery.requests);
    } else {
      pending.set(id, addDelivery(before, delivery));
    }
  }

  /** Adds to the store all deliveries that were received. Never rejects. */
  const flush = coalesce(async () => {
    const entries = [...pending];
    pending = new Map();
    const unsent = entries.length === 0 ? [] : await addAll(entries);
    // They are older than those that came in the meantime.
    const newer = pending;
    pending = new Map(unsent);
    for (const [id, delivery] of newer) add(id, delivery);
    // The timer stays set while the store answers, so that a new delivery does not start a second one.
    clearTimeout(timer);
    timer = undefined;
    if (pending.size > 0) timer = setTimeout(flush, unsent.length > 0 ? RETRY_MS : COLLECT_MS);
  });

  /** Returns the deliveries that can be added later. */
  async function addAll(entries: readonly DeliveryEntry[]): Promise<readonly DeliveryEntry[]> {
    const none = () => ({ added: [], unsent: [], lost: entries });
    const { added, unsent, lost } = await deliver(entries).catch(none);
    const sum = added.reduce((sum, { requests }) => sum + requests, 0);
    const [all, left, gone] = [requestsOf(entries), requestsOf(unsent), requestsOf(lost)];
    countDeliveries('added', sum);
    countDeliveries('unknown', all - sum - left - gone);
    dropped('no_response', gone);
    return unsent;
  }

  return {
    receive,
    flush,
    /** Adds what is left, and counts what the store does not get. */
    async close(): Promise<void> {
      await flush();
      clearTimeout(timer);
      dropped('shutdown', requestsOf([...pending]));
    },
  };
}

function requestsOf(entries: readonly DeliveryEntry[]): number {
  return entries.reduce((sum, [, { requests }]) => sum + requests, 0);
}

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

interface DeliverDependencies {
  readonly store: Store;
  readonly recordBytes: (added: AddedDelivery) => void;
  readonly emit?: Emit | undefined;
  readonly log: Logger;
}

/** Adds deliveries to the store. Reports each file that nginx has now sent completely. */
export function createDeliver({ store, recordBytes, emit, log }: DeliverDependencies): Deliver {
  return async function deliver(entries) {
    const result = await store.addDelivered(entries);
    await inPieces(result.added, (piece) => {
      for (const one of piece) {
        recordBytes(one);
        if (one.completed === undefined) continue;
        // nginx has sent the whole file of a token. This happens once for each token, in one of the instances.
        const fields = loggedGrant(one.id, one.completed);
        log.info(fields, 'delivered');
        emit?.('token.delivered', fields);
      }
    });
    return result;
  };
}
