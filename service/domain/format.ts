import { randomBytes } from 'node:crypto';
import type { Fault } from './errors.ts';
import type { Grant } from './grant.ts';
import type { GrantRequest } from './grant-fields.ts';
import type { Signer } from './signed.ts';
import { jwtId, MAX_JWT_LENGTH, newToken, tokenId } from './token.ts';

export type Format = 'opaque' | 'jwt';

export interface Formats {
  /** Where a request names none. */
  readonly format: Format;
  /** Absent: no key is configured. */
  readonly signer?: Signer;
}

export interface Token {
  readonly token: string;
  readonly id: string;
  /** Whether it is kept in the store. */
  readonly recorded: boolean;
  readonly grant: Grant;
}

/** What forbids a format goes to `faults`. */
export function faultFormat(
  { format, revocable, target_args: targetArgs }: GrantRequest,
  { format: usual, signer }: Formats,
  { uses }: Pick<Grant, 'uses'>,
  at: string,
  faults: Fault[],
): void {
  if (format === 'jwt' && signer === undefined) {
    faults.push({
      pointer: `${at}/format`,
      detail: 'must be opaque: no key to sign with is configured',
    });
  }
  if (targetArgs !== undefined && (format ?? usual) === 'jwt') {
    faults.push({
      pointer: `${at}/target_args`,
      detail: 'needs the format opaque: whoever has a JWT could read it',
    });
  }
  if (revocable !== false) return;
  const pointer = `${at}/revocable`;
  if ((format ?? usual) !== 'jwt') {
    faults.push({
      pointer,
      detail: 'must be true, or format must be jwt: an opaque token is what is stored',
    });
  }
  if (uses !== undefined) {
    const detail = 'must be true with max_uses or resume_for: uses are counted in the store';
    faults.push({ pointer, detail });
  }
}

/** A new token for a grant; undefined, with a fault, if it would be too long to be one. */
export async function mint(
  grant: Grant,
  { format, revocable = true }: GrantRequest,
  { format: usual, signer }: Formats,
  at: string,
  faults: Fault[],
): Promise<Token | undefined> {
  if ((format ?? usual) === 'opaque' || signer === undefined) {
    const token = newToken();
    return { token, id: tokenId(token), recorded: true, grant };
  }
  const jti = randomBytes(16).toString('base64url');
  const { expiresAt, uses } = grant;
  // Who starts at the last moment goes on for so long.
  const signed = { ...grant, signedUntil: expiresAt + (uses?.resumeFor ?? 0) * 1000 };
  const token = await signer.sign(jti, signed, revocable);
  if (token.length > MAX_JWT_LENGTH) {
    const detail = `must be opaque, or the texts shorter: as a JWT it would have ${token.length} characters, and at most ${MAX_JWT_LENGTH} fit`;
    faults.push({ pointer: `${at}/format`, detail });
    return undefined;
  }
  return { token, id: jwtId(signer.issuer, jti), recorded: revocable, grant: signed };
}
