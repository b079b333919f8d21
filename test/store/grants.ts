import type { Grant } from '../../service/token/grant.ts';
import type { Store } from '../../service/token/store.ts';
import { newToken, tokenId } from '../../service/token/token.ts';

export interface Opened {
  readonly store: Store;
  now(): number;
  /** Lets so many milliseconds pass. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

export const newId = () => tokenId(newToken());

export function grantAt(now: number, more: Partial<Grant> = {}): Grant {
  const times = { issuedAt: now, expiresAt: now + 60_000 };
  return { client: 'web', mount: '/download/', covers: '/download/a', ...times, ...more };
}
