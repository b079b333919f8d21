import type { Grant } from '../../../service/token/grant.ts';
import type { Store } from '../../../service/token/store.ts';
import { digest, newToken, tokenId } from '../../../service/token/token.ts';
import type { Requester } from '../../../service/token/uses.ts';

export interface Opened {
  readonly store: Store;
  now(): number;
  /** Lets so many milliseconds pass. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** A store, and a function that issues one grant and returns its ID. */
export interface Contracted extends Omit<Opened, 'close'> {
  issue(more?: Partial<Grant>): Promise<string>;
}

export const newId = () => tokenId(newToken());

export function grantAt(now: number, more: Partial<Grant> = {}): Grant {
  const times = { issuedAt: now, expiresAt: now + 60_000 };
  return { client: 'web', mount: '/download/', covers: '/download/a', ...times, ...more };
}

export async function issueTo(
  store: Store,
  more: Partial<Grant> = {},
  now = Date.now(),
): Promise<string> {
  const id = newId();
  await store.issue([[id, grantAt(now, more)]]);
  return id;
}

/** A requester: its address, the secrets in its cookies, and the one in the cookie that it gets. */
export function from(
  address?: string,
  cookies: readonly string[] = [],
  newCookie = newId(),
): Requester {
  const secrets = { cookies: cookies.map(digest), newCookie: digest(newCookie) };
  return address === undefined ? secrets : { address, ...secrets };
}
