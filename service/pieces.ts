/** Size of a piece. The costliest, 64 short addresses for each token, takes less than two milliseconds. */
const PIECE_BYTES = 16 * 1024;

/** What each item takes in addition to its bytes. */
const ITEM_BYTES = 640;

let last: Promise<void> = Promise.resolve();

/**
 * Waits for a turn. Each turn of the event loop has one, in order of arrival, so that long requests alternate and leave
 * the rest of the time to decisions. The caller may then work for two milliseconds.
 */
export function nextTurn(): Promise<void> {
  last = last.then(() => new Promise((resolve) => void setImmediate(resolve)));
  return last;
}

/** Works on the items in pieces, with a turn before each. `bytesOf`: how much text there is in an item. */
export async function inPieces<T>(
  items: Iterable<T>,
  work: (piece: readonly T[]) => unknown,
  bytesOf: (item: T) => number = () => 0,
): Promise<void> {
  let piece: T[] = [];
  let size = 0;
  for (const item of items) {
    piece.push(item);
    size += ITEM_BYTES + bytesOf(item);
    if (size < PIECE_BYTES) continue;
    await nextTurn();
    await work(piece);
    [piece, size] = [[], 0];
  }
  if (piece.length === 0) return;
  await nextTurn();
  await work(piece);
}
