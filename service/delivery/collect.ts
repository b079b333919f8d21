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
import { MAX_LINE_BYTES, parseLine } from './line.ts';

/** How long deliveries are collected before the store gets them. */
const COLLECT_MS = 200;

/** How long after a failure the store gets them again. */
const RETRY_MS = 1000;

/** Maximum number of tokens whose deliveries wait for the store: some megabytes. Those of more tokens are dropped. */
export const MAX_PENDING = 10_000;

/** `unknown`: no live grant has the token ID. `dropped`: it is not added, or may not be. */
export type DeliveryResult = 'added' | 'unknown' | 'invalid' | 'dropped';

export interface CollectOptions {
  /** Addresses and ranges that may send deliveries. */
  readonly from: readonly string[];
  readonly deliver: Store['addDelivered'];
  readonly countDeliveries: (result: DeliveryResult, count?: number) => void;
  readonly log: Logger;
  readonly now: () => number;
}

/** Collects the deliveries that nginx sends over UDP. They only change counters: a forged one opens no file. */
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

interface DeliverDependencies {
  readonly store: Store;
  readonly recordBytes: (added: AddedDelivery) => void;
  readonly emit?: Emit | undefined;
  readonly log: Logger;
}

/** Adds deliveries to the store. Reports each file that nginx has now sent completely. */
export async function addDeliveries(
  { store, recordBytes, emit, log }: DeliverDependencies,
  entries: readonly DeliveryEntry[],
) {
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
}
