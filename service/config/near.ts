/** How many letters may be wrong, missing or too many. */
const MAX_SLIPS = 2;

/** `; did you mean …?` where a name is nearly a known one, else an empty text. */
export function didYouMean(name: string, known: readonly string[]): string {
  let nearest: string | undefined;
  let fewest = MAX_SLIPS + 1;
  for (const candidate of known) {
    const slips = distance(name, candidate);
    if (slips < fewest) [nearest, fewest] = [candidate, slips];
  }
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}

/** Levenshtein's: the least number of letters to change, add or drop. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + Number(a[i - 1] !== b[j - 1]);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
