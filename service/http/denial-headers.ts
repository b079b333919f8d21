import type { Deny } from '../domain/decision.ts';
import { challenge, tell } from './headers.ts';

/** What both ways say of a denial. */
export function denialHeaders({ code, id }: Deny, status: number): string[] {
  const headers = ['Cache-Control', 'no-store', 'X-Accel-Expires', '0', tell.reason, code];
  if (id !== undefined) headers.push(tell.tokenId, id);
  if (status === 401) headers.push('WWW-Authenticate', challenge(code));
  return headers;
}
