/** The seed of a run. With the same one, clients begin the same acts in the same order; what each finds depends on time. */
export const SEED = Number(process.env.FAILOVER_SEED ?? Math.floor(Math.random() * 2 ** 32));

/** Numbers from 0 to 1 that depend only on the seed (mulberry32). */
export function createRandom(seed = SEED): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
