import { type Turn, Unavailable } from './store.ts';

/** No place is free, or a request of a key that holds less took this place. */
export class Full extends Unavailable {
  override readonly name = 'Full';
  override readonly what = 'a place in the queue';
}

/** The place of a request in a queue. It waits for one thing at a time. */
export interface Place {
  /** @throws Full */
  readonly turn: Turn;
  /** Does this work when its turn comes, and nobody else has a turn before it is done. @throws Full */
  alone<T>(work: () => Promise<T>): Promise<T>;
  /** Waits for something else, such as a body. @throws Full as soon as another request takes the place */
  wait<T>(promise: Promise<T>): Promise<T>;
  /** Adds to the size of this place. @throws Full */
  hold(size: number): void;
  /**
   * A turn from which on nobody can take the place any more, because the request is about to change something. A key
   * keeps at most half of what the others do not keep, so that they can take the rest from it. @throws Full
   */
  readonly keep: Turn;
  readonly isTaken: boolean;
}

/** What the places of a key have. */
interface Share {
  places: number;
  size: number;
  /** The size of those that are kept. */
  kept: number;
  /** Number of its last turn. */
  served: number;
}

interface Held {
  readonly shares: readonly Share[];
  size: number;
  isKept: boolean;
  /** Set when another request has taken the place. */
  full?: Full;
  /** Set while it waits: how to end that. The rest is set for a turn; from one with `isKeeping` on, the place is kept. */
  waits?:
    | { giveUp(full: Full): void; readonly begin?: () => void; readonly isKeeping?: boolean }
    | undefined;
  /** Number of turns that had begun when it started to wait. */
  arrived: number;
}

/**
 * Requests that take turns, so that no key delays or keeps out another one. A key is a client, or the network of
 * a requester. A request can have several: the later ones decide between requests with equal first keys.
 *
 * There is one turn in each turn of the event loop, which handles other requests in between. The key that had no
 * turn for the longest time comes first, and within a key the oldest request. All places together have at most the
 * size `max`. If they are taken, a newcomer gets the place of another request if its key then still holds less: the
 * newest one that waits of the key that holds most.
 */
export function createQueue(max: number) {
  /** In the order of their arrival. */
  const places: Held[] = [];
  const shares = new Map<string, Share>();
  let total = 0;
  let kept = 0;
  let turns = 0;
  let isBusy = false;

  function resize(held: Held, size: number): void {
    const more = size - held.size;
    total += more;
    if (held.isKept) kept += more;
    for (const share of held.shares) {
      share.size += more;
      if (held.isKept) share.kept += more;
    }
    held.size = size;
  }

  function take(held: Held): void {
    resize(held, 0);
    held.full = new Full('another request took its place in the queue');
    held.waits?.giveUp(held.full);
    held.waits = undefined;
  }

  /** Compares two requests by the shares of their first keys that differ. */
  function difference(one: Held, other: Held, of: 'size' | 'served', more = 0): number {
    for (const [i, share] of one.shares.entries()) {
      const others = other.shares[i] as Share;
      const found = share === others ? 0 : share[of] + more - others[of];
      if (found !== 0) return found;
    }
    return 0;
  }

  /** Whether `held`, with `more`, has a better right to the place of `other`. */
  function isFairer(held: Held, more: number, other: Held): boolean {
    const ahead = difference(held, other, 'size', more);
    if (ahead !== 0) return ahead < 0;
    const isSame = held.shares.every((share, i) => share === other.shares[i]);
    return isSame && places.indexOf(held) < places.indexOf(other);
  }

  function grow(held: Held, more: number): void {
    while (total + more > max) {
      let greediest: Held | undefined;
      for (const one of places) {
        if (one === held || one.waits === undefined || one.isKept || one.size === 0) continue;
        if (greediest === undefined || difference(one, greediest, 'size') >= 0) greediest = one;
      }
      if (greediest === undefined || !isFairer(held, more, greediest)) {
        throw new Full('all places in the queue are taken');
      }
      take(greediest);
    }
    resize(held, held.size + more);
  }

  /** A key that had a turn waits behind all that waited then. */
  const positionOf = ({ shares, arrived }: Held) =>
    Math.max(arrived, ...shares.map(({ served }) => served));

  const isSooner = (one: Held, other: Held) =>
    (positionOf(one) - positionOf(other) || difference(one, other, 'served')) < 0;

  function mayStart({ waits, shares: [share], size }: Held): boolean {
    if (waits?.begin === undefined) return false;
    const own = share?.kept ?? 0;
    return !waits.isKeeping || own === 0 || own + size <= (max - (kept - own)) / 2;
  }

  function startNext(): void {
    if (isBusy) return;
    let first: Held | undefined;
    for (const one of places) {
      if (mayStart(one) && (first === undefined || isSooner(one, first))) first = one;
    }
    if (first === undefined) return;
    isBusy = true;
    turns += 1;
    for (const share of first.shares) share.served = turns;
    const { waits } = first;
    first.waits = undefined;
    waits?.begin?.();
  }

  function endTurn(): void {
    setImmediate(() => {
      isBusy = false;
      startNext();
    });
  }

  /** Resolves when a turn begins. The caller ends it if it is `alone`. */
  function turnOf(held: Held, kind: 'turn' | 'keep' | 'alone'): Promise<void> {
    if (held.full !== undefined) return Promise.reject(held.full);
    return new Promise<void>((resolve, giveUp) => {
      const begin = () => {
        if (kind === 'keep') startKeeping(held);
        resolve();
        if (kind !== 'alone') endTurn();
      };
      held.arrived = turns;
      held.waits = { giveUp, begin, isKeeping: kind === 'keep' };
      startNext();
    });
  }

  function startKeeping(held: Held): void {
    const { size } = held;
    resize(held, 0);
    held.isKept = true;
    resize(held, size);
  }

  function wait<T>(held: Held, promise: Promise<T>): Promise<T> {
    if (held.full !== undefined) return Promise.reject(held.full);
    return new Promise<T>((resolve, giveUp) => {
      held.waits = { giveUp };
      promise.then(resolve, giveUp);
    }).finally(() => {
      held.waits = undefined;
    });
  }

  const placeOf = (held: Held): Place => ({
    turn: () => turnOf(held, 'turn'),
    async alone(work) {
      await turnOf(held, 'alone');
      return work().finally(endTurn);
    },
    wait: (promise) => wait(held, promise),
    hold(size) {
      if (held.full !== undefined) throw held.full;
      grow(held, size);
    },
    keep: () => turnOf(held, 'keep'),
    get isTaken() {
      return held.full !== undefined;
    },
  });

  return async function enqueue<T>(
    keys: readonly string[],
    task: (place: Place) => Promise<T>,
    size = 1,
  ): Promise<T> {
    const own = keys.map((key) => {
      const share = shares.get(key) ?? { places: 0, size: 0, kept: 0, served: 0 };
      shares.set(key, share);
      share.places += 1;
      return share;
    });
    const held: Held = { shares: own, size: 0, isKept: false, arrived: turns };
    places.push(held);
    try {
      grow(held, size);
      return await task(placeOf(held));
    } finally {
      resize(held, 0);
      places.splice(places.indexOf(held), 1);
      for (const share of own) share.places -= 1;
      for (const key of keys) if (shares.get(key)?.places === 0) shares.delete(key);
      // One that waits to be kept may have its turn now.
      startNext();
    }
  };
}

/** Size of a piece. The costliest, 64 short addresses for each token, takes less than two milliseconds. */
const PIECE_BYTES = 16 * 1024;

/** What each item takes in addition to its bytes. */
const ITEM_BYTES = 640;

/** Works on the items in pieces, with a turn before each. `bytesOf`: how much text there is in an item. */
export async function inPieces<T>(
  items: Iterable<T>,
  turn: Turn,
  work: (piece: readonly T[]) => unknown,
  bytesOf: (item: T) => number = () => 0,
): Promise<void> {
  let piece: T[] = [];
  let size = 0;
  for (const item of items) {
    piece.push(item);
    size += ITEM_BYTES + bytesOf(item);
    if (size < PIECE_BYTES) continue;
    await turn();
    await work(piece);
    [piece, size] = [[], 0];
  }
  if (piece.length === 0) return;
  await turn();
  await work(piece);
}

export const nextTurn: Turn = () => new Promise((resolve) => setImmediate(resolve));
