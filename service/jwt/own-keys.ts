import type { JWK } from 'jose';
import { type Key, KeyFault, OWN_ALGORITHMS, readKeys } from './keys.ts';

/** Keys of our own: the first signs, all verify. They can be replaced while the program runs. */
export interface OwnKeys {
  /** The one that signs. */
  first(): Key;
  find(kid: string | undefined): Key | undefined;
  /** For whoever verifies elsewhere (RFC 7517); shared secrets are not among them. */
  publicJwks(): { readonly keys: readonly JWK[] };
  /** Changes with each replacement. */
  generation(): number;
  /** Takes the keys of another file; if they are at fault, throws and keeps those it has. */
  replace(text: string): Promise<void>;
}

/** @throws KeyFault */
export async function createOwnKeys(text: string): Promise<OwnKeys> {
  let keys = await read(text);
  let generation = 0;
  /** In turn: of two files the later counts, however long each takes. */
  let before: Promise<unknown> = Promise.resolve();
  return {
    first: () => keys[0] as Key,
    find: (kid) => keys.find((key) => key.kid === kid),
    publicJwks: () => ({ keys: keys.flatMap(({ publicJwk }) => publicJwk ?? []) }),
    generation: () => generation,
    replace(next) {
      const done = before.then(async () => {
        keys = await read(next);
        generation += 1;
      });
      before = done.catch(() => {});
      return done;
    },
  };
}

async function read(text: string): Promise<Key[]> {
  const keys = await readKeys(text, OWN_ALGORITHMS);
  if (keys[0]?.sign === undefined) {
    throw new KeyFault('its first key signs, so it must have its private half (d, or k)');
  }
  return keys;
}
