import type { Grant } from './grant.ts';

/** Bytes of a file: from the first, up to but not including the second. */
export type ByteRange = readonly [from: number, to: number];

/** Maximum number of separate ranges that are kept for a token. With more, its file may never count as whole. */
export const MAX_RANGES = 100;

/** What nginx reported that it has sent for a token. Times are milliseconds since the epoch. */
export interface Delivery {
  readonly requests: number;
  readonly bytes: number;
  /** When nginx ended the first and the last request. */
  readonly first: number;
  readonly last: number;
  /** The size of the file of the last request; absent: unknown. */
  readonly size?: number;
  /** The parts of this file that were sent: in order, and neither overlapping nor adjacent. */
  readonly ranges: readonly ByteRange[];
}

/** What the store keeps. */
export interface Delivered extends Omit<Delivery, 'ranges'> {
  /** The whole file was sent. Never true for a prefix, which has many files. */
  readonly whole: boolean;
}

export type DeliveryEntry = readonly [id: string, delivery: Delivery];

/** A delivery that the store has added to a live grant. */
export interface AddedDelivery extends Pick<Grant, 'client' | 'mount'> {
  readonly id: string;
  readonly requests: number;
  readonly bytes: number;
  /** Set by the delivery that makes the file whole: once for a token. */
  readonly completed?: Grant;
}

/** What became of deliveries. Those without a live grant are in no list. */
export interface Added {
  readonly added: readonly AddedDelivery[];
  /** The store did not get them, so that they can be added later. */
  readonly unsent: readonly DeliveryEntry[];
  /** The store did not answer: it may have added them, so that they must not be added again. */
  readonly lost: readonly DeliveryEntry[];
}

/** Adds two deliveries of the same token. store/redis/deliveries.ts does the same in a script. */
export function addDelivery(before: Delivery | undefined, more: Delivery): Delivery {
  if (before === undefined) return more;
  const size = more.size ?? before.size;
  // Another size means another file, and the earlier ranges do not belong to it.
  const isSame = more.size === undefined || more.size === before.size;
  return {
    requests: before.requests + more.requests,
    bytes: Math.min(before.bytes + more.bytes, Number.MAX_SAFE_INTEGER),
    first: Math.min(before.first, more.first),
    last: Math.max(before.last, more.last),
    ...(size !== undefined && { size }),
    ranges: isSame ? mergeRanges(before.ranges, more.ranges) : more.ranges,
  };
}

/** The sums, because size and ranges make no sense for a token that covers many files. */
export function sums({ size: _, ...delivery }: Delivery): Delivery {
  return { ...delivery, ranges: [] };
}

export function isWhole({ size, ranges: [first] }: Pick<Delivery, 'size' | 'ranges'>): boolean {
  if (size === undefined) return false;
  return size === 0 || (first !== undefined && first[0] === 0 && first[1] >= size);
}

function mergeRanges(a: readonly ByteRange[], b: readonly ByteRange[]): readonly ByteRange[] {
  const merged: Array<[from: number, to: number]> = [];
  for (const [from, to] of [...a, ...b].sort(([one], [other]) => one - other)) {
    const last = merged.at(-1);
    if (last === undefined || from > last[1]) merged.push([from, to]);
    else last[1] = Math.max(last[1], to);
  }
  return merged.slice(0, MAX_RANGES);
}
