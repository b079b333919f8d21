import { type Grant, type KnownRequester, resumableUntil, type Uses } from './grant.ts';
import type { Requester } from './requester.ts';

/** What a requester is to a grant: one that it has, or one that it may have yet. */
export type Redeemed = 'known' | 'new';

/**
 * Whether a requester may use a grant now, and as what; undefined if it may not. Stores that run
 * elsewhere do the same there (store/scripts.ts); one suite holds both to it.
 */
export function redeem(
  grant: Grant,
  uses: Uses,
  known: readonly KnownRequester[],
  requester: Requester,
  now: number,
): Redeemed | undefined {
  const admits = now < grant.expiresAt;
  const goesOn = known.some(
    (one) => isSame(uses, one, requester) && (admits || now < resumableUntil(uses, one)),
  );
  if (goesOn) return 'known';
  return admits && known.length < (uses.max ?? Number.POSITIVE_INFINITY) ? 'new' : undefined;
}

function isSame(uses: Uses, known: KnownRequester, { cookies, address }: Requester): boolean {
  // Digests of random secrets: how long it takes to compare them tells nothing.
  if (cookies.includes(known.cookie)) return true;
  return !uses.cookieOnly && address !== undefined && address === known.address;
}
